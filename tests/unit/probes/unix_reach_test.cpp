// Paths of Unix sockets as their process sees them, and where a left end was connected to: on real
// sockets and fixture trees.
#include "probes/proc/unix_reach.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "probes/proc/server_processes.h"

namespace connleak::probes {
namespace {

namespace fs = std::filesystem;

struct Folder {
    std::string path;
    Folder() {
        char text[] = "/tmp/unix-reach-XXXXXX";
        path = ::mkdtemp(text);
    }
    ~Folder() { fs::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
};

Descriptor listening(const std::string& name) {
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket.get(), 4), 0);
    return socket;
}

Descriptor connected(const std::string& name) {
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    return socket;
}

std::uint64_t cookie_of(const Descriptor& socket) {
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size);
    return cookie;
}

TEST(UnixReach, NamesAsAPersonWritesThem) {
    const Folder folder;
    fs::create_directories(folder.path + "/proc/7");
    fs::create_directories(folder.path + "/proc/8");
    fs::create_symlink("/var/lib/redis", folder.path + "/proc/7/cwd");
    fs::create_symlink("/", folder.path + "/proc/8/cwd");
    const std::string proc = folder.path + "/proc";
    EXPECT_EQ(unix_path_text(7, "/run/a b", proc), "/run/a b");
    EXPECT_EQ(unix_path_text(7, "redis.sock", proc), "/var/lib/redis/redis.sock");
    EXPECT_EQ(unix_path_text(8, "redis.sock", proc), "/redis.sock");
    EXPECT_EQ(unix_path_text(9, "redis.sock", proc), "redis.sock");
    EXPECT_EQ(unix_path_text(7, std::string("\0a\0b", 4), proc), "@a@b");
}

TEST(UnixReach, AFileBelowTheProcessOwnRoot) {
    const Folder folder;
    const std::string proc = folder.path + "/proc";
    const std::string root = folder.path + "/root";
    fs::create_directories(root + "/run");
    fs::create_directories(proc + "/7");
    fs::create_symlink(root, proc + "/7/root");
    const Descriptor listener = listening(root + "/run/redis.sock");
    // Links in there are of that root, whatever they say.
    fs::create_symlink("/run", root + "/link");
    fs::create_symlink("../../../../../run/redis.sock", root + "/out");
    std::ofstream(root + "/run/plain") << "no socket";
    for (const char* name : {"/run/redis.sock", "/link/redis.sock", "/out"}) {
        const auto found = open_unix_file(7, name, proc);
        ASSERT_TRUE(found) << name << ' ' << found.error();
        EXPECT_TRUE(found->elsewhere);
        struct stat there {};
        struct stat real {};
        ASSERT_EQ(::fstat(found->file.get(), &there), 0);
        ASSERT_EQ(::stat((root + "/run/redis.sock").c_str(), &real), 0);
        EXPECT_EQ(there.st_ino, real.st_ino);
    }
    for (const char* name : {"/run/gone", "/run/plain", "/run/plain/x", "relative"})
        EXPECT_EQ(open_unix_file(7, name, proc).error(), ENOENT) << name;
    // From where we are: the same file.
    const auto own = open_unix_file(::getpid(), root + "/run/redis.sock");
    ASSERT_TRUE(own);
    EXPECT_FALSE(own->elsewhere);
    const auto way = connected("/proc/self/fd/" + std::to_string(own->file.get()));
    EXPECT_TRUE(way);
}

TEST(UnixReach, WhereALeftEndWasConnectedTo) {
    const Folder folder;
    for (const std::string& name :
         {folder.path + "/a b.sock", std::string("\0clk-reach\0x", 12) + folder.path}) {
        const Descriptor listener = listening(name);
        const Descriptor client = connected(name);
        { const Descriptor accepted(::accept(listener.get(), nullptr, nullptr)); }
        const auto remote = unix_remote({::getpid(), client.get()}, cookie_of(client));
        if (!remote && remote.error() == EPERM) GTEST_SKIP() << "pidfd_getfd: EPERM";
        ASSERT_TRUE(remote) << remote.error();
        EXPECT_EQ(remote->name, name);
        EXPECT_EQ(remote->pid, ::getpid());
        EXPECT_EQ(unix_remote({::getpid(), client.get()}, 1).error(), ESTALE);
    }
    EXPECT_EQ(unix_remote({::getpid(), 99999}, 1).error(), EBADF);
}

TEST(UnixReach, WhoHolds) {
    const Folder folder;
    const Descriptor listener = listening(folder.path + "/s");
    struct stat status {};
    ASSERT_EQ(::fstat(listener.get(), &status), 0);
    EXPECT_TRUE(holds_any(::getpid(), {static_cast<std::uint32_t>(status.st_ino)}));
    EXPECT_FALSE(holds_any(::getpid(), {1}));
    EXPECT_FALSE(holds_any(0, {1}));
    EXPECT_TRUE(is_unix_socket(folder.path + "/s"));
    EXPECT_FALSE(is_unix_socket(folder.path));
    EXPECT_FALSE(is_unix_socket(folder.path + "/gone"));
}

TEST(UnixReach, ThePathInATitle) {
    EXPECT_EQ(path_of_title("redis-server unixsocket:/run/redis/redis.sock"),
              "/run/redis/redis.sock");
    EXPECT_EQ(path_of_title("redis-server unixsocket:/a b:1"), "/a b:1");
    EXPECT_EQ(path_of_title("redis-server unixsocket:/run/a b.sock [cluster]"), "/run/a b.sock");
    EXPECT_EQ(path_of_title("redis-server *:6379"), "");
    EXPECT_EQ(path_of_title(""), "");
}

}  // namespace
}  // namespace connleak::probes
