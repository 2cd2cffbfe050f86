# SPDX-License-Identifier: Apache-2.0
#
# make packages   install what is needed (Debian, as root)     make V=1       show the commands
# make            build build/imagepull-exporter               make SAN=1     with ASan and UBSan
# make check      build everything and run the tests           make WERROR=1  warnings are errors, as in "make check"
# make demo       show the whole path on this machine          KEEP=1         leave the demo running
# make check-cluster   the agent on a real Kubernetes (needs Go)
# make bench      measure against the budgets                  make install DESTDIR= PREFIX=
# make bench-fleet     up to 200 agents on a real API server (needs Go; about 10 minutes)
# make dist       a source tarball of the last commit          .ci/run        everything that CI runs
#
# SAN and WERROR builds have folders of their own. Only "make packages", "make check" and "make demo" install Debian
# packages (scripts/packages.txt); with DEPS=no the last two do not.

CC        := $(if $(filter default,$(origin CC)),gcc,$(CC))
# A cross compiler (CC=aarch64-linux-gnu-gcc) has its tools and Debian's libraries under the same name.
triplet   := $(patsubst %-gcc,%,$(filter %-gcc,$(CC)))
tools     := $(triplet:%=%-)
ifdef triplet
export PKG_CONFIG_LIBDIR := /usr/lib/$(triplet)/pkgconfig:/usr/share/pkgconfig
endif
SAN       ?=
WERROR    ?=
BUILD     ?= build$(if $(SAN),-san$(if $(filter-out 1,$(SAN)),-$(SAN)))$(if $(WERROR),-werror)
PREFIX    ?= /usr/local
PYTHON    := /usr/bin/python3
VERSION   := $(shell cat VERSION)
REVISION  := $(shell cat REVISION 2>/dev/null || git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
Q         := $(if $(V),,@)

# --- source files ------------------------------------------------------------------------------
folders   := agent agent/base agent/classify agent/incidents agent/commands \
             agent/kube agent/kube/http agent/kube/wire cri \
             exporter exporter/http exporter/metrics exporter/debug
library   := $(filter-out agent/main.c,$(wildcard $(folders:%=%/*.c)))
protos    := $(wildcard proto/*.proto)
tests     := $(sort $(shell find tests/unit tests/scenarios -name '*.c'))
unit      := $(foreach test,$(tests),$(if $(filter test_%,$(notdir $(test))),$(test)))
helpers   := $(filter-out $(unit),$(tests))
fuzzers   := $(wildcard tests/fuzz/fuzz_*.c)
benches   := $(wildcard tests/bench/bench_*.c)
docs_c    := $(wildcard docs/generate/*.c)
all_c     := $(library) agent/main.c $(unit) $(helpers) $(fuzzers) $(benches) $(docs_c) $(wildcard tests/corpus/*.c tests/redact/*.c tests/soak/*.c tests/lab/*.c tests/page/*.c)
headers   := $(wildcard include/*.h $(folders:%=%/*.h) docs/generate/*.h) $(sort $(shell find tests -name '*.h'))

# --- compiler flags ----------------------------------------------------------------------------
# $(call accepted,FLAGS): FLAGS, if this compiler takes them.
accepted   = $(shell $(CC) -Werror $(1) -x c -c /dev/null -o /dev/null 2>/dev/null && echo '$(1)')
warnings  := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef \
             -Wwrite-strings $(if $(WERROR),-Werror)
# Sanitizers and valgrind must see the program as it was written: without these.
zero_init := -ftrivial-auto-var-init=zero
harden    := $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
             $(foreach flag,-fstack-clash-protection -fcf-protection -mbranch-protection=standard,$(call accepted,$(flag))) \
             $(or $(call accepted,$(zero_init)),$(call accepted,$(zero_init) \
             -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang)))
san_1        := -fsanitize=address,undefined -fno-sanitize-recover=undefined
san_thread   := -fsanitize=thread
san_fuzz     := $(san_1) -fsanitize=fuzzer-no-link
san_valgrind :=
sanitize  := $(if $(SAN),$(san_$(SAN)) -fno-omit-frame-pointer)
# Debug information and __FILE__ name files by their place in the source tree: two builds in two folders are the same.
paths     := -ffile-prefix-map=$(abspath $(BUILD))=build -ffile-prefix-map=$(CURDIR)=.
packages  := libprotobuf-c libcurl libmicrohttpd gnutls libcrypt jansson yaml-0.1 zlib libseccomp
cflags     = -std=gnu17 -D_GNU_SOURCE -O2 -g -fPIE -ffunction-sections -fdata-sections $(harden) $(sanitize) $(paths) \
             -iquote . -iquote include -I$(BUILD)/gen $(CFLAGS)
ldflags    = -pie -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--gc-sections $(sanitize) $(LDFLAGS)
# $(call once,NAME,COMMAND): the output of COMMAND, which runs when NAME is used first. pkg-config needs 0.3 s for gRPC.
once       = $(eval $(1) := $(shell $(2)))$($(1))
grpc_libs  = $(call once,grpc_libs,pkg-config --libs grpc_unsecure)
libs       = $(call once,libs,pkg-config --libs $(packages)) -lpthread
test_libs  = -lcmocka $(grpc_libs) $(libs)

# gRPC core is linked statically into the agent, without what the agent does not use: this saves about 3 MB of
# resident memory and 60 shared libraries. Sanitizers need the shared ones.
absl       = $(call once,absl,pkg-config --static --libs grpc_unsecure | tr ' ' '\n' | grep absl | awk '!seen[$$$$0]++')
grpc_static = -Wl,-Bstatic -lgrpc_unsecure -lgpr -lupb -laddress_sorting -lre2 -lcares \
             -Wl,--start-group $(absl) -Wl,--end-group -lstdc++ -Wl,-Bdynamic -lm
# abseil has no C header: this gives one of its functions a name that C can call (cri/channel.c).
absl_sync  = $(shell $(CC) -print-file-name=libabsl_synchronization.a)
absl_name  = $(call once,absl_name,$(tools)nm -g $(absl_sync) 2>/dev/null | sed -n 's/.* T \(_Z.*SetMutexDeadlockDetectionMode.*\)/\1/p')
grpc_static += $(if $(absl_name),-Wl$(comma)--defsym=absl_set_mutex_deadlock_detection_mode=$(absl_name))
agent_libs = $(if $(SAN),$(grpc_libs),$(grpc_static)) $(libs)

# --- the agent ---------------------------------------------------------------------------------
binary    := $(BUILD)/imagepull-exporter
archive   := $(BUILD)/libimagepull.a
testlib   := $(BUILD)/libtest.a
gen_c     := $(protos:%.proto=$(BUILD)/gen/%.pb-c.c)
gen_h     := $(gen_c:.c=.h) $(BUILD)/gen/version.h
object     = $(1:%.c=$(BUILD)/%.o)
program    = $(1:%.c=$(BUILD)/%)

.PHONY: all
all: $(binary)

$(binary): $(call object,agent/main.c) $(archive)
	@echo "  LD    $@"
	$(Q)$(CC) $(ldflags) -o $@ $^ $(agent_libs)

$(archive): $(call object,$(library)) $(gen_c:.c=.o)
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(tools)ar rcs $@ $^

$(testlib): $(call object,$(helpers))
	$(Q)rm -f $@ && $(tools)ar rcs $@ $^

$(BUILD)/%.o: %.c | $(gen_h)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(cflags) $(warnings) -MMD -MP -c -o $@ $<

# page.c contains the status page, which is in no header list.
$(BUILD)/exporter/debug/page.o: exporter/debug/status.html

# protobuf-c's output is compiled without our warnings.
$(BUILD)/gen/%.pb-c.o: $(BUILD)/gen/%.pb-c.c
	$(Q)$(CC) $(cflags) -w -c -o $@ $<

$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h &: %.proto | $(BUILD)/has-build
	@mkdir -p $(BUILD)/gen
	@echo "  PROTO $<"
	$(Q)protoc-c --c_out=$(BUILD)/gen $<

# Written only when it changes, so that only the files that include it are compiled again.
$(BUILD)/gen/version.h: FORCE
	@mkdir -p $(@D)
	@new=$@.$$$$; printf '#pragma once\n#define IMAGEPULL_VERSION "%s"\n#define IMAGEPULL_REVISION "%s"\n' \
	    '$(VERSION)' '$(REVISION)' >$$new; cmp -s $$new $@ && rm $$new || mv $$new $@

.PHONY: FORCE
FORCE:

# --- tests -------------------------------------------------------------------------------------
# Each test file is one cmocka program. Linked against the archives, it gets only the objects that it needs.
$(call program,$(unit) $(wildcard tests/page/*.c)): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(testlib) $(archive)
	@echo "  LD    $@"
	$(Q)$(CC) $(ldflags) -o $@ $^ $(test_libs)

$(call program,$(benches) $(wildcard tests/corpus/*.c tests/redact/*.c tests/soak/*.c tests/lab/cri_*.c)): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(testlib) $(archive)
	@echo "  LD    $@"
	$(Q)$(CC) $(ldflags) -o $@ $^ $(grpc_libs) $(libs)

.PHONY: check-compile check-unit check-corpus check-binary check-docs check-install check-layers
check-compile: $(binary) $(call program,$(unit) $(benches) $(wildcard tests/corpus/*.c tests/redact/*.c tests/soak/*.c tests/lab/cri_*.c tests/page/*.c))
check-unit: $(BUILD)/has-check $(call program,$(unit))
	$(Q)scripts/run-tests $(call program,$(unit))
check-corpus: $(call program,tests/corpus/check_corpus.c tests/redact/check_redact.c)
	$(Q)$(BUILD)/tests/corpus/check_corpus
	$(Q)$(BUILD)/tests/redact/check_redact
check-binary: $(binary)
	$(Q)scripts/check-cri-methods $(binary)
check-docs: $(binary)
	$(Q)scripts/check-docs $(binary)
check-install: $(BUILD)/has-check $(binary) docs
	$(call install_files,$(abspath $(BUILD))/installed,$(abspath $(BUILD))/installed)
	$(Q)scripts/check-install $(BUILD)/installed
check-layers: $(archive) $(call object,agent/main.c)
	$(Q)scripts/check-layers $(BUILD)
	$(Q)scripts/check-includes $(BUILD)

# --- static checks -----------------------------------------------------------------------------
static_sources = $(library) agent/main.c $(docs_c)

.PHONY: format check-format check-tidy check-cppcheck
format:
	$(Q)clang-format -i $(sort $(all_c) $(headers))
check-format: $(BUILD)/has-check
	$(Q)clang-format --dry-run --Werror $(sort $(all_c) $(headers))
check-tidy: $(BUILD)/has-check $(gen_h)
	@echo "  TIDY  $(words $(static_sources)) files"
	$(Q)printf '%s\n' $(static_sources) | xargs -P $(shell nproc) -n 6 sh -c 'clang-tidy --quiet \
	    --warnings-as-errors="*" "$$@" -- -std=gnu17 -D_GNU_SOURCE -iquote . -iquote include \
	    -I$(BUILD)/gen 2>$(BUILD)/tidy.$$$$ || { cat $(BUILD)/tidy.$$$$; exit 1; }' sh
check-cppcheck: $(BUILD)/has-check
	@echo "  CPPCHECK"
	$(Q)cppcheck -j $(shell nproc) --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --suppress=missingInclude --error-exitcode=1 -D_GNU_SOURCE -Iinclude -I. $(static_sources)

# --- checks of the running code: sanitizers, valgrind, fuzzers ---------------------------------
# Each target starts make again for its own kind of build.
jobs = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
again = +$(Q)$(MAKE) --no-print-directory $(jobs)

# One build with clang serves three checks: clang's warnings, the unit tests under ASan and UBSan, the fuzzers.
.PHONY: check-san check-tsan check-valgrind check-fuzz fuzz
check-san:      ; $(again) CC=clang SAN=fuzz all check-unit
check-fuzz:     ; $(again) CC=clang SAN=fuzz run-fuzz
fuzz:           ; $(again) CC=clang SAN=fuzz run-fuzz fuzz_seconds=60 fuzz_classify_seconds=300
check-tsan:     ; $(again) SAN=thread run-tsan
check-valgrind: ; $(again) SAN=valgrind run-valgrind

# The tests of code that runs on more than one thread.
threaded := $(addprefix tests/unit/,agent/test_hub.c exporter/test_exporter.c exporter/metrics/test_page_cache.c \
            exporter/http/test_auth.c exporter/http/test_guard.c cri/test_source.c cri/test_source_errors.c cri/test_runtimes.c)
.PHONY: run-tsan run-valgrind run-fuzz
run-tsan: $(BUILD)/has-check $(call program,$(threaded))
	$(Q)TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp" scripts/run-tests $(call program,$(threaded))

# valgrind finds uninitialised memory, which ASan does not. Not under valgrind: tests that feed whole recordings byte
# by byte or fail each allocation (minutes), tests of calls whose deadlines gRPC itself measures, of system calls that are
# forbidden, and of limits that valgrind does not let a process raise.
valgrinded = $(filter-out %/kube/test_watch %/test_recordings %/test_interleavings %/cri/test_channel \
             %/cri/test_calls %/cri/test_connection %/agent/test_sandbox \
             %/agent/test_descriptors %/commands/test_commands_memory,$(call program,$(unit)))
run-valgrind: $(BUILD)/has-check $(valgrinded)
	$(Q)scripts/run-tests --under "valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite" \
	    $(valgrinded)

fuzz_seconds ?= 5
fuzz_classify_seconds ?= 20
run-fuzz: $(patsubst %.c,$(BUILD)/%.run,$(fuzzers))

$(call program,$(fuzzers)): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(archive)
	@echo "  LD    $@"
	$(Q)$(CC) $(ldflags) -fsanitize=fuzzer -o $@ $^ $(grpc_libs) $(libs)

# tests/fuzz/seeds/NAME holds the seeds; inputs that a run adds stay in the build folder.
$(BUILD)/tests/fuzz/%.run: $(BUILD)/tests/fuzz/%
	@mkdir -p $(BUILD)/corpus/$*
	@echo "  FUZZ  $* for $(or $($*_seconds),$(fuzz_seconds)) s"
	$(Q)$< -max_total_time=$(or $($*_seconds),$(fuzz_seconds)) -timeout=60 -rss_limit_mb=1024 -verbosity=0 \
	    -artifact_prefix=$(BUILD)/ $(BUILD)/corpus/$* $(wildcard tests/fuzz/seeds/$*) >$<.log 2>&1 || \
	    { cat $<.log; exit 1; }

# --- tests with real programs ------------------------------------------------------------------
lab := $(BUILD)/tests/lab/cri_print $(BUILD)/tests/lab/cri_server
.PHONY: check-integration check-newest-runtime check-page check-deploy check-e2e check-image check-cluster \
        cluster-tools cluster-image record rules check-build run-demo
check-integration: $(BUILD)/has-demo $(binary) $(lab)
	$(Q)$(PYTHON) tests/lab/check_cri.py $(BUILD)/tests/lab/cri_print
	$(Q)AGENT=$(abspath $(binary)) $(PYTHON) scripts/run-modules tests/integration
# The tests of the runtime again, with the newest containerd (Debian sid).
check-newest-runtime: $(BUILD)/has-demo $(binary) $(lab)
	$(Q)AGENT=$(abspath $(binary)) LAB_SUITES=sid $(PYTHON) scripts/run-modules tests/integration 'test_runtime_*.py'
# The status page in a browser. PAGE_PICTURES=FOLDER keeps screenshots.
check-page: $(BUILD)/has-page $(BUILD)/tests/page/page_server
	$(Q)PAGE_SERVER=$(abspath $(BUILD))/tests/page/page_server $(PYTHON) -m unittest discover -s tests/page
# The rules of deploy/alerts, of two kustomize components and of the Helm chart, from deploy/mixin; the README of the chart,
# from its values. check-deploy checks that they are equal.
rules: $(BUILD)/has-e2e
	$(Q)deploy/alerts/generate
	$(Q)scripts/chart-readme
# deploy/: alerts, runbooks, dashboard, manifests, Helm chart. The first run builds helm and kubeconform with Go.
check-deploy: $(BUILD)/has-demo $(BUILD)/has-e2e
	$(Q)$(PYTHON) -m unittest discover -s tests/deploy
# From a bad Secret to an alert, with a real Prometheus and Alertmanager.
check-e2e: $(BUILD)/has-demo $(BUILD)/has-e2e $(binary)
	$(Q)AGENT=$(abspath $(binary)) $(PYTHON) -m unittest discover -s tests/e2e
# The container image: build (takes minutes), push, pull, start.
check-image: $(BUILD)/has-demo $(BUILD)/has-image
	$(Q)$(PYTHON) -m unittest discover -s tests/deploy/image
# The agent on a real Kubernetes, with containerd 1.7 (trixie) and 2.x (sid). The first run builds the programs of
# Kubernetes with Go, 10 to 15 minutes; CLUSTER_TOOLS=DIR uses those of a folder. It also builds the container image
# when the sources changed, about a minute; AGENT_IMAGE=FILE uses that OCI archive.
CLUSTER_SUITES ?= trixie,sid
AGENT_IMAGE    ?= build/cluster/image.tar
check-cluster: $(BUILD)/has-demo $(BUILD)/has-cluster $(binary) cluster-tools \
               $(if $(filter file,$(origin AGENT_IMAGE)),cluster-image)
	$(Q)AGENT=$(abspath $(binary)) AGENT_IMAGE=$(abspath $(AGENT_IMAGE)) \
	    $(PYTHON) scripts/run-modules --on $(CLUSTER_SUITES) tests/cluster
cluster-image: $(BUILD)/has-demo $(BUILD)/has-image
	$(Q)$(PYTHON) tests/deploy/image_builder.py $(AGENT_IMAGE)
cluster-tools: $(BUILD)/has-demo
	$(Q)$(PYTHON) tests/cluster/tools.py
	$(Q)$(PYTHON) tests/lab/generations.py fetch $(subst $(comma), ,$(CLUSTER_SUITES))
comma := ,
# The recordings of tests/data anew, from a real cluster: see the README there. RECORDINGS=FOLDER writes elsewhere.
record: $(BUILD)/has-demo $(BUILD)/has-cluster cluster-tools
	$(Q)tests/cluster/in-namespaces $(PYTHON) tests/cluster/record.py $(if $(RECORDINGS),--to $(abspath $(RECORDINGS)))
# This Makefile and the scripts.
check-build: $(BUILD)/has-check $(BUILD)/has-demo
	$(Q)$(PYTHON) -m unittest discover -s tests/build
run-demo: $(BUILD)/has-demo $(binary)
	$(Q)$(PYTHON) tests/lab/demo.py --agent $(binary)

# --- the commands of the README ----------------------------------------------------------------
# What takes longer runs in .ci/run only: check-valgrind, fuzz, check-deploy, check-e2e, demo, check-image, check-cluster.
.PHONY: check demo packages
check: $(if $(filter no,$(DEPS)),,packages)
	+$(Q)WERROR=1 scripts/run-stages compile unit corpus binary layers format docs install build \
	    / integration page / san fuzz tsan cppcheck tidy
demo: $(if $(filter no,$(DEPS)),,packages)
	$(again) run-demo

# FOR names the groups of scripts/packages.txt: "make packages FOR=build" installs only what a build needs.
FOR ?= build check demo page e2e image cluster
packages:
	$(Q)scripts/install-packages $(FOR)

# Fails if packages of a group are missing, and names them.
$(BUILD)/has-%: scripts/packages.txt scripts/install-packages
	$(Q)scripts/install-packages --check $*
	@mkdir -p $(@D) && touch $@
.PRECIOUS: $(BUILD)/has-%

# --- the rest ----------------------------------------------------------------------------------
# IMAGE names the image; BASE pins its base image; TOOL is buildah, podman or docker. docker reads the time stamp of the
# image from SOURCE_DATE_EPOCH, the others from --timestamp. The second command writes the list of all that is in the
# image (SPDX) and the licences; it uses what the first one built.
TOOL  ?= buildah
IMAGE ?= imagepull-exporter:$(VERSION)
epoch  = $(or $(shell git log -1 --format=%ct 2>/dev/null),0)
.PHONY: image bench soak bench-fleet install dist clean
build_image = $(TOOL) build $(if $(findstring docker,$(TOOL)),,--layers --timestamp $(epoch)) \
    --build-arg SOURCE_DATE_EPOCH=$(epoch) --build-arg REVISION=$(REVISION) $(if $(BASE),--build-arg BASE=$(BASE)) \
    $(if $(PLATFORM),--platform $(PLATFORM) $(if $(findstring docker,$(TOOL)),,$(build_platform)))
# Old versions of buildah do not know it by themselves.
build_platform = --build-arg BUILDPLATFORM=linux/$(shell dpkg --print-architecture)
image:
	$(build_image) -t $(IMAGE) .
	$(build_image) --target documents --output type=local,dest=$(BUILD)/image .
	$(Q)mv -f $(BUILD)/image/imagepull-exporter/sbom.spdx.json $(BUILD)/image/
	@echo "  IMAGE $(IMAGE); its content is listed in $(BUILD)/image/sbom.spdx.json"

bench: $(call program,$(benches)) $(binary)
	$(Q)for program in $(call program,$(benches)); do echo "== $$(basename $$program)"; $$program || exit 1; done
	$(Q)echo "== bench_api"; $(PYTHON) tests/bench/bench_api.py --agent $(binary)
	$(Q)echo "== bench_rules"; $(PYTHON) tests/bench/bench_rules.py

# Ten million observations, with all limits of the incident table reached: its memory must stay flat.
# Without the allocator's cache of freed memory, which would count as memory in use.
soak: $(BUILD)/tests/soak/soak
	$(Q)GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0 $<

# What the agents cost a real API server. FLEET has further arguments, such as "--agents 1,10 --seconds 5".
bench-fleet: $(BUILD)/has-demo $(BUILD)/has-cluster $(binary)
	$(Q)tests/cluster/in-namespaces $(PYTHON) tests/bench/bench_fleet.py --agent $(abspath $(binary)) $(FLEET)

# --- install -----------------------------------------------------------------------------------
# The man page and the completions are written by a program that has the tables of flags.
write_docs := $(BUILD)/docs/generate/write_docs
man        := $(BUILD)/docs/imagepull-exporter.8
completion := $(addprefix $(BUILD)/docs/completion.,bash zsh fish)

$(write_docs): $(call object,$(docs_c)) $(archive)
	@echo "  LD    $@"
	$(Q)$(CC) $(ldflags) -o $@ $^ $(grpc_libs) $(libs)

$(BUILD)/docs/%.8: docs/%.8.in $(write_docs)
	@mkdir -p $(@D)
	@echo "  DOC   $@"
	$(Q)$(write_docs) man $< >$@.new && mv $@.new $@

$(BUILD)/docs/completion.%: $(write_docs)
	@mkdir -p $(@D)
	@echo "  DOC   $@"
	$(Q)$(write_docs) $* >$@.new && mv $@.new $@

.PHONY: docs
docs: $(man) $(completion)

# $(call install_files,FOLDER,PREFIX): installs into FOLDER what will be used at PREFIX. PREFIX is FOLDER without DESTDIR.
define install_files
install -D -m 0755 $(binary) $(1)/bin/imagepull-exporter
install -D -m 0644 $(man) $(1)/share/man/man8/imagepull-exporter.8
install -D -m 0644 $(BUILD)/docs/completion.bash $(1)/share/bash-completion/completions/imagepull-exporter
install -D -m 0644 $(BUILD)/docs/completion.zsh $(1)/share/zsh/site-functions/_imagepull-exporter
install -D -m 0644 $(BUILD)/docs/completion.fish $(1)/share/fish/vendor_completions.d/imagepull-exporter.fish
install -d $(1)/lib/systemd/system
sed 's|/usr/bin/|$(2)/bin/|' deploy/systemd/imagepull-exporter.service >$(1)/lib/systemd/system/imagepull-exporter.service
endef

install: $(binary) docs
	$(call install_files,$(DESTDIR)$(PREFIX),$(PREFIX))

# The same commit always gives the same bytes. The file REVISION tells a build without git what it was made from.
dist_name := imagepull-exporter-$(VERSION)
dist:
	@mkdir -p $(BUILD)
	$(Q)printf '%s\n' $(REVISION) >$(BUILD)/REVISION
	$(Q)git archive --format=tar --prefix=$(dist_name)/ --add-file=$(BUILD)/REVISION HEAD | gzip -n9 >$(BUILD)/$(dist_name).tar.gz
	@echo "  DIST  $(BUILD)/$(dist_name).tar.gz"

clean:
	rm -rf build build-*

-include $(patsubst %.c,$(BUILD)/%.d,$(all_c))
