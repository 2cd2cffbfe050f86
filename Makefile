# SPDX-License-Identifier: Apache-2.0
#
# make            build build/imagepull-exporter        make V=1     show commands
# make check      everything CI runs                    make SAN=1   with ASan and UBSan
# make demo       the whole path on this machine        KEEP=1       leave it running
# make bench      measure against the budgets           make install DESTDIR= PREFIX=
#
# Missing Debian packages are installed first (scripts/packages.txt); DEPS=no turns that off.

CC        := $(if $(filter default,$(origin CC)),gcc,$(CC))
SAN       ?=
BUILD     ?= build$(if $(SAN),-san$(if $(filter-out 1,$(SAN)),-$(SAN)))
PREFIX    ?= /usr/local
PYTHON    := /usr/bin/python3
VERSION   := $(shell cat VERSION)
REVISION  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
Q         := $(if $(V),,@)

# --- what there is -----------------------------------------------------------------------------
rooms     := agent agent/base agent/classify agent/incidents agent/commands \
             agent/kube agent/kube/http agent/kube/wire cri \
             exporter exporter/http exporter/metrics exporter/debug
library   := $(filter-out agent/main.c,$(wildcard $(rooms:%=%/*.c)))
protos    := $(wildcard proto/*.proto)
tests     := $(sort $(shell find tests/unit tests/scenarios -name '*.c'))
unit      := $(foreach test,$(tests),$(if $(filter test_%,$(notdir $(test))),$(test)))
helpers   := $(filter-out $(unit),$(tests))
fuzzers   := $(wildcard tests/fuzz/fuzz_*.c)
benches   := $(wildcard tests/bench/bench_*.c)
all_c     := $(library) agent/main.c $(unit) $(helpers) $(fuzzers) $(benches) $(wildcard tests/corpus/*.c tests/lab/*.c tests/page/*.c)
headers   := $(wildcard include/*.h $(rooms:%=%/*.h)) $(sort $(shell find tests -name '*.h'))

# --- how it is compiled ------------------------------------------------------------------------
warnings  := -Wall -Wextra -Werror -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes \
             -Wformat=2 -Wundef -Wwrite-strings
harden    := -fstack-protector-strong -fPIE $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
san_1      := -fsanitize=address,undefined -fno-sanitize-recover=undefined
san_thread := -fsanitize=thread
san_fuzz   := $(san_1) -fsanitize=fuzzer-no-link
sanitize   := $(if $(SAN),$(san_$(SAN)) -fno-omit-frame-pointer)
packages  := libprotobuf-c libcurl libmicrohttpd gnutls libcrypt jansson yaml-0.1 zlib
cflags     = -std=gnu17 -D_GNU_SOURCE -O2 -g -ffunction-sections -fdata-sections $(harden) $(sanitize) \
             -iquote . -iquote include -I$(BUILD)/gen \
             -DIMAGEPULL_VERSION='"$(VERSION)"' -DIMAGEPULL_REVISION='"$(REVISION)"' $(CFLAGS)
ldflags    = -pie -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--gc-sections $(sanitize) $(LDFLAGS)
grpc_libs  = $(shell pkg-config --libs grpc_unsecure)
libs       = $(shell pkg-config --libs $(packages)) -lpthread
test_libs  = -lcmocka $(grpc_libs) $(libs)

# gRPC core goes into the agent itself, without what it does not use: about 3 MB less resident
# memory and 60 libraries less to load than with the shared ones. Sanitizers want those.
absl       = $(shell pkg-config --static --libs grpc_unsecure | tr ' ' '\n' | grep absl | awk '!seen[$$0]++')
grpc_static = -Wl,-Bstatic -lgrpc_unsecure -lgpr -lupb -laddress_sorting -lre2 -lcares \
             -Wl,--start-group $(absl) -Wl,--end-group -lstdc++ -Wl,-Bdynamic -lm
agent_libs = $(if $(SAN),$(grpc_libs),$(grpc_static)) $(libs)

binary    := $(BUILD)/imagepull-exporter
archive   := $(BUILD)/libimagepull.a
testlib   := $(BUILD)/libtest.a
gen_c     := $(protos:%.proto=$(BUILD)/gen/%.pb-c.c)
gen_h     := $(gen_c:.c=.h)
object     = $(1:%.c=$(BUILD)/%.o)
program    = $(1:%.c=$(BUILD)/%)

.PHONY: all
all: $(binary)

$(binary): $(call object,agent/main.c) $(archive)
	@echo "  LD    $@"
	$(Q)$(CC) $(ldflags) -o $@ $^ $(agent_libs)

$(archive): $(call object,$(library)) $(gen_c:.c=.o)
	@echo "  AR    $@"
	$(Q)rm -f $@ && ar rcs $@ $^

$(testlib): $(call object,$(helpers))
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c | $(gen_h)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(cflags) $(warnings) -MMD -MP -c -o $@ $<

# It holds the status page, which the compiler's list of headers does not name.
$(BUILD)/exporter/debug/page.o: exporter/debug/status.html

# Not ours to mend: protobuf-c's output is compiled without our warnings.
$(BUILD)/gen/%.pb-c.o: $(BUILD)/gen/%.pb-c.c
	$(Q)$(CC) $(cflags) -w -c -o $@ $<

$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h &: %.proto | packages-build
	@mkdir -p $(BUILD)/gen
	@echo "  PROTO $<"
	$(Q)protoc-c --c_out=$(BUILD)/gen $<

# --- tests -------------------------------------------------------------------------------------
# One cmocka program a file, linked against the archive: it takes only the objects it needs.
$(call program,$(unit) $(wildcard tests/page/*.c)): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(testlib) $(archive)
	@echo "  LD    $@"
	$(Q)$(CC) $(ldflags) -o $@ $^ $(test_libs)

$(call program,$(benches) $(wildcard tests/corpus/*.c tests/lab/cri_*.c)): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(testlib) $(archive)
	@echo "  LD    $@"
	$(Q)$(CC) $(ldflags) -o $@ $^ $(grpc_libs) $(libs)

# --- checks ------------------------------------------------------------------------------------
fuzz_seconds ?= 10
fuzz_classify_seconds ?= 60
static_sources = $(library) agent/main.c

# As many compilers at once as there are processors, unless -j was given.
jobs = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: check
check: packages-build packages-check packages-demo packages-page
	+$(Q)$(MAKE) --no-print-directory $(jobs) all $(call program,$(unit))
	+$(Q)for each in layers format binary docs unit corpus san tsan valgrind cppcheck tidy fuzz \
	    integration page; do echo "== check-$$each"; \
	    $(MAKE) --no-print-directory DEPS=no check-$$each || exit 1; done
	@echo "make check: all good"

.PHONY: check-unit check-san check-tsan check-valgrind
check-unit: packages-check $(call program,$(unit))
	$(Q)scripts/run-tests $(call program,$(unit))

# One build of clang's for three ends: its warnings, the unit tests under ASan and UBSan, the fuzzers.
check-san: packages-check
	+$(Q)$(MAKE) --no-print-directory $(jobs) CC=clang SAN=fuzz all check-unit
check-tsan: ; +$(Q)TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp" $(MAKE) --no-print-directory $(jobs) SAN=thread check-threads
# Not those that feed whole recordings byte by byte: minutes here, seconds in check-san. And not
# those whose deadlines a real gRPC must keep: 50 times slower it cannot.
valgrinded = $(filter-out %/kube/test_watch %/test_recordings %/test_interleavings %/cri/test_channel \
    %/cri/test_calls %/cri/test_connection,$(call program,$(unit)))
check-valgrind: packages-check $(call program,$(unit))
	$(Q)scripts/run-tests --under "valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite" \
	    $(valgrinded)

# What runs on more than one thread, under ThreadSanitizer.
threaded  := $(addprefix tests/unit/,agent/test_hub.c exporter/test_exporter.c exporter/http/test_auth.c \
             exporter/http/test_guard.c cri/test_source.c cri/test_runtimes.c)
.PHONY: check-threads
check-threads: packages-check $(call program,$(threaded))
	$(Q)scripts/run-tests $(call program,$(threaded))

.PHONY: check-corpus
check-corpus: $(BUILD)/tests/corpus/check_corpus
	$(Q)$<

.PHONY: check-layers check-binary check-docs check-format format check-tidy check-cppcheck
check-layers: $(archive) $(call object,agent/main.c) ; $(Q)scripts/check-layers $(BUILD)
check-binary: $(binary) ; $(Q)scripts/check-cri-methods $(binary)
check-docs: $(binary) ; $(Q)scripts/check-docs $(binary)
check-format: packages-check
	$(Q)clang-format --dry-run --Werror $(sort $(all_c) $(headers))
format:
	$(Q)clang-format -i $(sort $(all_c) $(headers))
check-tidy: packages-check $(gen_h)
	@echo "  TIDY  $(words $(static_sources)) files"
	$(Q)printf '%s\n' $(static_sources) | xargs -P 2 -n 6 sh -c 'clang-tidy --quiet \
	    --warnings-as-errors="*" "$$@" -- -std=gnu17 -D_GNU_SOURCE -iquote . -iquote include \
	    -I$(BUILD)/gen 2>$(BUILD)/tidy.err || { cat $(BUILD)/tidy.err; exit 1; }' sh
check-cppcheck: packages-check
	@echo "  CPPCHECK"
	$(Q)cppcheck -j 2 --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --suppress=missingInclude --error-exitcode=1 -D_GNU_SOURCE -Iinclude -I. $(static_sources)

.PHONY: check-fuzz run-fuzz
check-fuzz: packages-check
	+$(Q)$(MAKE) --no-print-directory $(jobs) CC=clang SAN=fuzz run-fuzz
run-fuzz: $(patsubst %.c,$(BUILD)/%.run,$(fuzzers))

$(call program,$(fuzzers)): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(archive)
	@echo "  LD    $@"
	$(Q)$(CC) $(ldflags) -fsanitize=fuzzer -o $@ $^ $(grpc_libs) $(libs)

# Seeds are in tests/fuzz/seeds/NAME; what a run finds worth keeping stays in the build folder.
$(BUILD)/tests/fuzz/%.run: $(BUILD)/tests/fuzz/%
	@mkdir -p $(BUILD)/corpus/$*
	@echo "  FUZZ  $* for $(or $($*_seconds),$(fuzz_seconds)) s"
	$(Q)$< -max_total_time=$(or $($*_seconds),$(fuzz_seconds)) -timeout=5 -rss_limit_mb=1024 -verbosity=0 \
	    -artifact_prefix=$(BUILD)/ $(BUILD)/corpus/$* $(wildcard tests/fuzz/seeds/$*) >$<.log 2>&1 || \
	    { cat $<.log; exit 1; }

.PHONY: check-integration demo
check-integration: packages-demo $(binary) $(BUILD)/tests/lab/cri_look $(BUILD)/tests/lab/cri_server
	$(Q)$(PYTHON) tests/lab/check_cri.py $(BUILD)/tests/lab/cri_look
	$(Q)AGENT=$(CURDIR)/$(binary) $(PYTHON) scripts/run-integration

# The runtime's tests once more, with the newest containerd there is (sid's).
.PHONY: check-newest-runtime
check-newest-runtime: packages-demo $(binary) $(BUILD)/tests/lab/cri_server
	$(Q)AGENT=$(CURDIR)/$(binary) LAB_SUITES=sid $(PYTHON) scripts/run-integration 'test_runtime_*.py'

# The status page in a browser; PAGE_PICTURES=FOLDER keeps what it looked like.
.PHONY: check-page
check-page: packages-page $(BUILD)/tests/page/page_server
	$(Q)PAGE_SERVER=$(abspath $(BUILD))/tests/page/page_server $(PYTHON) -m unittest discover -s tests/page

demo: packages-demo $(binary)
	$(Q)$(PYTHON) tests/lab/demo.py --agent $(binary)

# deploy/: alerts, runbooks, dashboard, manifests; then all of it with a real Prometheus and Alertmanager;
# then the container image, built (some minutes), pushed, pulled and started.
.PHONY: check-deploy check-e2e check-image image
check-deploy: packages-demo packages-e2e
	$(Q)$(PYTHON) -m unittest discover -s tests/deploy
check-e2e: packages-demo packages-e2e $(binary)
	$(Q)AGENT=$(abspath $(binary)) $(PYTHON) -m unittest discover -s tests/e2e
check-image: packages-demo packages-image
	$(Q)$(PYTHON) -m unittest discover -s tests/deploy/image

# IMAGE names it; BASE pins its base image; TOOL=podman or docker if it is not to be buildah. docker takes the time
# of what it builds from SOURCE_DATE_EPOCH, the others are told.
TOOL  ?= buildah
IMAGE ?= imagepull-exporter:$(VERSION)
epoch  = $(or $(shell git log -1 --format=%ct 2>/dev/null),0)
image:
	$(TOOL) build $(if $(filter docker,$(TOOL)),,--timestamp $(epoch)) --build-arg SOURCE_DATE_EPOCH=$(epoch) \
	    --build-arg REVISION=$(REVISION) $(if $(BASE),--build-arg BASE=$(BASE)) -t $(IMAGE) .

.PHONY: bench
bench: $(call program,$(benches)) $(binary)
	$(Q)for program in $(call program,$(benches)); do echo "== $$(basename $$program)"; $$program || exit 1; done
	$(Q)echo "== bench_api"; $(PYTHON) tests/bench/bench_api.py --agent $(binary)

.PHONY: install
install: $(binary)
	install -D -m 0755 $(binary) $(DESTDIR)$(PREFIX)/bin/imagepull-exporter

.PHONY: clean
clean:
	rm -rf build build-*

# --- packages ----------------------------------------------------------------------------------
.PHONY: packages-build packages-check packages-demo packages-page packages-e2e packages-image
packages-build packages-check packages-demo packages-page packages-e2e packages-image: packages-%:
	$(Q)$(if $(filter no,$(DEPS)),:,scripts/install-packages $*)

-include $(patsubst %.c,$(BUILD)/%.d,$(all_c))
