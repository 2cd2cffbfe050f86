/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/classify/wordings.h"
#include "util.h"

static void dns_errors_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": dial tcp: "
          "lookup r.example.com on 10.96.0.10:53: no such host",
          REASON_DNS_NOT_FOUND },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": dial tcp: "
          "lookup r.example.com on 10.96.0.10:53: read udp 10.1.1.1:5353->10.96.0.10:53: i/o "
          "timeout",
          REASON_DNS_FAILURE },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": dial tcp: "
          "lookup r.example.com on [::1]:53: read udp [::1]:45678->[::1]:53: read: connection "
          "refused",
          REASON_DNS_FAILURE },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": dial tcp: "
          "lookup r.example.com: Try again",
          REASON_DNS_FAILURE },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": dial tcp: "
          "lookup r.example.com: device or resource busy",
          REASON_DNS_FAILURE },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void connect_errors_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": dial tcp "
          "192.0.2.1:443: connect: connection refused",
          REASON_CONNECT_REFUSED },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": dial tcp "
          "192.0.2.1:443: connectex: No connection could be made because the target machine "
          "actively refused it.",
          REASON_CONNECT_REFUSED },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": dial tcp "
          "192.0.2.1:443: i/o timeout",
          REASON_CONNECT_TIMEOUT },
        { "API error (500): Get https://r.example.com/v2/: net/http: request canceled while "
          "waiting for connection (Client.Timeout exceeded while awaiting headers)",
          REASON_CONNECT_TIMEOUT },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": dial tcp "
          "[2001:db8::1]:443: connect: network is unreachable",
          REASON_UNREACHABLE },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": dial tcp "
          "192.0.2.1:443: connectex: An attempt was made to access a socket in a way forbidden by "
          "its access permissions.",
          REASON_UNREACHABLE },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": dial tcp "
          "192.0.2.1:443: socket: operation not permitted",
          REASON_UNREACHABLE },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": dial tcp: "
          "lookup r.example.com on 192.0.2.53:53: dial udp 192.0.2.53:53: socket: permission "
          "denied",
          REASON_DNS_FAILURE },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void broken_connections_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": read tcp "
          "10.0.0.1:5000->192.0.2.1:443: wsarecv: An existing connection was forcibly closed by "
          "the remote host.",
          REASON_CONNECTION_RESET },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": http2: server "
          "sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR, debug=\"\"",
          REASON_CONNECTION_RESET },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": EOF",
          REASON_UNEXPECTED_EOF },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": net/http: "
          "timeout awaiting response headers",
          REASON_RESPONSE_TIMEOUT },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

/* crypto/tls and crypto/x509 */
static void tls_errors_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": tls: failed to "
          "verify certificate: x509: certificate signed by unknown authority (possibly because of "
          "\"crypto/rsa: verification error\" while trying to verify candidate authority "
          "certificate \"x\")",
          REASON_TLS_UNKNOWN_AUTHORITY },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": tls: failed to "
          "verify certificate: x509: certificate has expired or is not yet valid: current time "
          "2026-01-02T03:04:05Z is after 2025-12-31T23:59:59Z",
          REASON_TLS_EXPIRED },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": tls: failed to "
          "verify certificate: x509: cannot validate certificate for 10.0.0.5 because it doesn't "
          "contain any IP SANs",
          REASON_TLS_HOSTNAME },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": net/http: TLS "
          "handshake timeout",
          REASON_TLS_HANDSHAKE_TIMEOUT },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": remote error: "
          "tls: handshake failure",
          REASON_TLS_HANDSHAKE_FAILED },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": http: server "
          "gave HTTP response to HTTPS client",
          REASON_HTTP_TO_HTTPS },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void proxy_errors_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": proxyconnect "
          "tcp: dial tcp: lookup proxy.example.com: no such host",
          REASON_PROXY_FAILED },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": proxyconnect "
          "tcp: EOF",
          REASON_PROXY_FAILED },
        { "failed to do request: Head \"https://r.example.com/v2/a/manifests/v1\": Proxy "
          "Authentication Required",
          REASON_PROXY_FAILED },
        { "Error response from daemon: Get https://r.example.com/v2/: Forbidden",
          REASON_PROXY_FAILED },
        { "pinging container registry r.example.com: Get \"https://r.example.com/v2/\": Internal "
          "Server Error",
          REASON_PROXY_FAILED },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void timeouts_and_cancellations_are_recognised(void **state)
{
    static const struct wording wordings[] = {
        { "rpc error: code = Canceled desc = failed to pull and unpack image \"a:b\": context "
          "canceled",
          REASON_PULL_CANCELLED },
        { "cancel pulling image r.example.com/a:v1 because of no progress in 1m0s",
          REASON_PULL_STALLED },
        { "rpc error: code = 4 desc = context deadline exceeded", REASON_DEADLINE },
        { "PullImage \"r.example.com/a:v1\" failed: ... DeadlineExceeded ...", REASON_DEADLINE },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

static void an_error_of_a_request_that_is_none_of_the_network_is_not_unreachable(void **state)
{
    static const struct wording wordings[] = {
        { "pinging container registry r.example.com: Get \"https://r.example.com/v2/\": Method Not "
          "Allowed",
          REASON_PROXY_FAILED },
        { "Head \"https://r.example.com/v2/a/manifests/v1\": Bad Request", REASON_PROXY_FAILED },
        { "Get https://r.example.com/v2/: http: server gave HTTP response to HTTPS cl",
          REASON_HTTP_TO_HTTPS },
        { "Get https://r.example.com/v1/_ping: http: error connecting to proxy",
          REASON_PROXY_FAILED },
        { "Get \"https://r.example.com/v2/\": something nobody knows", REASON_UNCLASSIFIED },
        { "Get \"https://r.example.com/v2/\": net/http: request cance", REASON_UNCLASSIFIED },
        { "Get \"https://r.example.com/v2/\": dial tcp 192.0.2.1:443: i/o ti", REASON_UNREACHABLE },
        { "2018/03/20 06:06:20 http: proxy error: exit status 1: received unexpected HTTP status: "
          "502 Bad Gateway",
          REASON_BAD_GATEWAY },
    };

    (void)state;
    assert_wordings(wordings, ARRAY_SIZE(wordings));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dns_errors_are_recognised),
        cmocka_unit_test(connect_errors_are_recognised),
        cmocka_unit_test(broken_connections_are_recognised),
        cmocka_unit_test(tls_errors_are_recognised),
        cmocka_unit_test(proxy_errors_are_recognised),
        cmocka_unit_test(timeouts_and_cancellations_are_recognised),
        cmocka_unit_test(an_error_of_a_request_that_is_none_of_the_network_is_not_unreachable),
    };

    return cmocka_run_group_tests_name("rules_network", tests, NULL, NULL);
}
