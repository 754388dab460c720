// load SOCKETS PROCESSES PORT: makes SOCKETS established TCP sockets on the loopback of its own
// network namespace, held by PROCESSES children. One listener on 127.0.0.1:PORT; the clients come
// from 127.2.0.0/16, because one address has not ports enough. Both ends of each connection are
// held, not always by the same child. Prints "ready", waits until its standard input closes, then
// ends all children at once.
//
// Each child needs SOCKETS / PROCESSES descriptors and a few more: RLIMIT_NOFILE is raised as far
// as it must be (above the hard limit only with CAP_SYS_RESOURCE and up to fs.nr_open), and
// fs.file-max must leave room for all of them.
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "load: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

sockaddr_in address(unsigned int ip, unsigned long port) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_addr.s_addr = htonl(ip);
    result.sin_port = htons(static_cast<unsigned short>(port));
    return result;
}

const sockaddr* generic(const sockaddr_in& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

void allow_descriptors(unsigned long needed) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("getrlimit");
    if (limit.rlim_cur >= needed) return;
    limit.rlim_cur = needed;
    if (limit.rlim_max < needed) limit.rlim_max = needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
    std::fprintf(
        stderr,
        "load: %lu descriptors for each process are more than the hard limit allows; raise it "
        "(ulimit -Hn, with CAP_SYS_RESOURCE; fs.nr_open) or use more processes\n",
        needed);
    std::exit(1);
}

// A reset at the end leaves no TIME-WAIT behind.
void reset_on_close(int fd) {
    const linger hard{1, 0};
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard) != 0) fail("SO_LINGER");
}

// Every child takes from the one queue as many connections as it has put there, so that none is
// left over.
[[noreturn]] void child(int listener, int ready, unsigned long number, unsigned long connections,
                        unsigned long port) {
    constexpr unsigned long from_one_address = 5000;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail("prctl");
    const sockaddr_in server = address(INADDR_LOOPBACK, port);
    for (unsigned long i = 0; i < connections; ++i) {
        const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (client < 0) fail("socket (is fs.file-max large enough?)");
        const int on = 1;
        if (setsockopt(client, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0) {
            fail("IP_BIND_ADDRESS_NO_PORT");
        }
        const auto host = static_cast<unsigned int>(number << 8 | (i / from_one_address + 1));
        const sockaddr_in source = address(0x7F020000U + host, 0);
        if (bind(client, generic(source), sizeof source) != 0) fail("bind");
        if (connect(client, generic(server), sizeof server) != 0) fail("connect");
        reset_on_close(client);
        const int accepted = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (accepted < 0) fail("accept");
        reset_on_close(accepted);
    }
    close(listener);
    const char done = '.';
    if (write(ready, &done, 1) != 1) fail("write");
    while (true) pause();
}

unsigned long number_of(const char* text) {
    char* end = nullptr;
    const unsigned long number = std::strtoul(text, &end, 10);
    return *end == '\0' ? number : 0;
}

}  // namespace

int main(int argc, char** argv) {
    const unsigned long sockets = argc == 4 ? number_of(argv[1]) : 0;
    const unsigned long processes = argc == 4 ? number_of(argv[2]) : 0;
    const unsigned long port = argc == 4 ? number_of(argv[3]) : 0;
    if (processes == 0 || processes > 200 || port == 0 || port > 65535 || sockets / 2 < processes) {
        std::fprintf(stderr, "usage: load SOCKETS PROCESSES PORT (at most 200 processes)\n");
        return 2;
    }
    const unsigned long connections = sockets / 2;
    allow_descriptors(2 * ((connections + processes - 1) / processes) + 16);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0) fail("socket");
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in server = address(INADDR_LOOPBACK, port);
    if (bind(listener, generic(server), sizeof server) != 0) fail("bind the listener");
    if (listen(listener, 4096) != 0) fail("listen");

    std::array<int, 2> ready{};
    if (pipe(ready.data()) != 0) fail("pipe");
    std::vector<pid_t> children;
    for (unsigned long i = 0; i < processes; ++i) {
        const pid_t pid = fork();
        if (pid < 0) fail("fork");
        if (pid == 0) {
            close(ready[0]);
            child(listener, ready[1], i,
                  connections / processes + (i < connections % processes ? 1 : 0), port);
        }
        children.push_back(pid);
    }
    close(ready[1]);
    unsigned long done = 0;
    char byte = 0;
    while (done < processes && read(ready[0], &byte, 1) == 1) ++done;
    if (done == processes) {
        std::puts("ready");
        std::fflush(stdout);
        while (read(STDIN_FILENO, &byte, 1) > 0) {
        }
    }
    for (const pid_t pid : children) kill(pid, SIGKILL);
    for (const pid_t pid : children) waitpid(pid, nullptr, 0);
    return done == processes ? 0 : 1;
}
