# SPDX-License-Identifier: Apache-2.0
# Writes an SPDX 2.3 document in JSON. scripts/image-root says what it reads.

function text(s,    i, c, out) {
    for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        out = out (c == "\"" || c == "\\" ? "\\" c : c < " " ? " " : c)
    }
    return "\"" out "\""
}
function id(kind, name) { gsub(/[^A-Za-z0-9.-]/, "-", name); return "\"SPDXRef-" kind "-" name "\"" }
function encoded(s) { gsub(/\+/, "%2B", s); gsub(/:/, "%3A", s); gsub(/~/, "~", s); return s }
function relation(from, what, to) {
    relations = relations (relations ? ",\n" : "") \
        "  {\"spdxElementId\":" from ",\"relationshipType\":\"" what "\",\"relatedSpdxElement\":" to "}"
}
function add_package(name, version, more) {
    packages = packages (packages ? ",\n" : "") "  {\"SPDXID\":" id("Package", name) ",\"name\":" text(name) \
        ",\"versionInfo\":" text(version) ",\"downloadLocation\":\"NOASSERTION\",\"filesAnalyzed\":false" \
        ",\"licenseConcluded\":\"NOASSERTION\",\"copyrightText\":\"NOASSERTION\"" more "}"
}

$1 == "document" {
    own = "imagepull-exporter"
    version = $2; revision = $3; processor = $4; created = $5
    relation("\"SPDXRef-DOCUMENT\"", "DESCRIBES", id("Package", own))
    add_package(own, version, ",\"supplier\":\"Organization: imagepull-exporter\",\"licenseDeclared\":\"Apache-2.0\"" \
                ",\"sourceInfo\":" text("commit " revision))
}
$1 == "package" {
    n++; how[n] = $2; name[n] = $3; package_version[n] = $4; arch[n] = $5; source[n] = $6; source_version[n] = $7
    maintainer[n] = $8
    relation(id("Package", own), $2 == "static" ? "STATIC_LINK" : "CONTAINS", id("Package", $3))
}
$1 == "licences" { licences[$2] = $3 }
$1 == "file" {
    files = files (files ? ",\n" : "") "  {\"SPDXID\":" id("File", $2) ",\"fileName\":" text("./" $2) \
        ",\"checksums\":[{\"algorithm\":\"SHA1\",\"checksumValue\":\"" $4 "\"}," \
        "{\"algorithm\":\"SHA256\",\"checksumValue\":\"" $5 "\"}]" \
        ",\"licenseConcluded\":\"NOASSERTION\",\"copyrightText\":\"NOASSERTION\"}"
    relation(id("File", $2), "GENERATED_FROM", id("Package", $3))
}
END {
    for (i = 1; i <= n; i++)
        add_package(name[i], package_version[i], ",\"supplier\":" text("Organization: Debian (" maintainer[i] ")") \
            ",\"licenseDeclared\":\"NOASSERTION\"" \
            (licences[name[i]] ? ",\"licenseComments\":" text("Debian's copyright file names: " licences[name[i]]) : "") \
            ",\"sourceInfo\":" text("built from Debian's source package " source[i] " " source_version[i]) \
            ",\"externalRefs\":[{\"referenceCategory\":\"PACKAGE-MANAGER\",\"referenceType\":\"purl\"," \
            "\"referenceLocator\":" text("pkg:deb/debian/" encoded(name[i]) "@" encoded(package_version[i]) "?arch=" arch[i] \
                                         "&distro=" distribution) "}]")
    print "{\"spdxVersion\":\"SPDX-2.3\",\"dataLicense\":\"CC0-1.0\",\"SPDXID\":\"SPDXRef-DOCUMENT\","
    print " \"name\":" text(own "-" version) ","
    print " \"documentNamespace\":" text("https://spdx.org/spdxdocs/" own "-" version "-" revision "-" distribution "-" processor) ","
    print " \"creationInfo\":{\"created\":\"" created "\",\"creators\":[\"Tool: imagepull-exporter-image-root\"]},"
    print " \"packages\":[\n" packages "\n ],"
    print " \"files\":[\n" files "\n ],"
    print " \"relationships\":[\n" relations "\n ]}"
}
