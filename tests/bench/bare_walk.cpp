// What the benchmark compares with: the least that a single thread must do to read every descriptor
// of the host, with nothing done about what it reads. Prints how many links there were.
#include <dirent.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <string>

int main() {
    unsigned long processes = 0;
    unsigned long links = 0;
    unsigned long sockets = 0;
    DIR* const proc = opendir("/proc");
    if (proc == nullptr) {
        std::perror("/proc");
        return 1;
    }
    while (const dirent* const process = readdir(proc)) {
        if (std::isdigit(static_cast<unsigned char>(process->d_name[0])) == 0) continue;
        const std::string folder = std::string("/proc/") + process->d_name + "/fd";
        DIR* const listing = opendir(folder.c_str());
        if (listing == nullptr) continue;
        ++processes;
        while (const dirent* const entry = readdir(listing)) {
            if (entry->d_name[0] == '.') continue;
            const std::string path = folder + "/" + entry->d_name;
            std::array<char, 64> target;
            const ssize_t size = readlink(path.c_str(), target.data(), target.size());
            if (size < 0) continue;
            ++links;
            if (size > 8 && target[0] == 's' && target[6] == ':') ++sockets;
        }
        closedir(listing);
    }
    closedir(proc);
    std::printf("%lu processes, %lu descriptors, %lu sockets\n", processes, links, sockets);
}
