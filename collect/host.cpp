#include "collect/host.h"

#include <sys/timex.h>
#include <sys/utsname.h>

#include <cstdio>
#include <ctime>

namespace connleak::collect {

namespace {

std::string read_boot_id() {
    std::string id;
    if (std::FILE* file = std::fopen("/proc/sys/kernel/random/boot_id", "re"); file != nullptr) {
        char buffer[64] = {};
        if (std::fgets(buffer, sizeof buffer, file) != nullptr) id = buffer;
        std::fclose(file);
    }
    id.erase(id.find_last_not_of('\n') + 1);
    return id;
}

std::int64_t read_clock_ms(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

HostFacts read_host() {
    HostFacts facts;
    utsname names{};
    if (::uname(&names) == 0) {
        facts.name = names.nodename;
        facts.kernel = names.release;
    }
    facts.boot_id = read_boot_id();
    return facts;
}

std::int64_t wall_clock_ms() {
    return read_clock_ms(CLOCK_REALTIME);
}

std::int64_t boot_clock_ms() {
    return read_clock_ms(CLOCK_BOOTTIME);
}

bool clock_is_synchronized() {
    timex state{};  // modes 0: read only
    const int answer = ::adjtimex(&state);
    return answer >= 0 && answer != TIME_ERROR;
}

}  // namespace connleak::collect
