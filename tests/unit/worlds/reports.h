// The worlds that the tests of the renderers show.
#pragma once

#include <string>

#include "tests/unit/worlds/world.h"

namespace connleak::test {

inline constexpr std::int64_t hour = 3'600;

// A world with a scene in it.
struct Made : World {
    explicit Made(void (*make)(World& scene)) { make(*this); }
};

// The story that the program exists for: a server at its limit; most of its clients are ghosts of
// two hosts, older than its tcp-keepalive; a PHP-FPM pool holds two connections per worker.
inline void story(World& scene) {
    const NetnsId server = scene.host("", "10.9.0.1");
    const NetnsId web1 = scene.host("web1", "10.9.0.17");
    const NetnsId web2 = scene.host("web2", "10.9.0.18");
    scene.lan({server, web1, web2});
    const std::size_t redis = scene.redis(server, "10.9.0.1:6379", 14'625);
    ServerAnswer& answer = scene.answer(redis);
    answer.connected_clients = 9'874;
    answer.maxclients = 10'000;
    answer.rejected_connections = 2'211;
    answer.uptime_s = 41 * 24 * hour;
    answer.tcp_keepalive_s = 300;
    answer.timeout_s = 0;
    int port = 30'000;
    const auto connect = [&](NetnsId from, std::string address, std::int32_t pid,
                             std::int64_t age_s, std::int64_t quiet_s, bool keepalive) {
        const Pair pair = scene.connect(from, address + ':' + std::to_string(++port), redis, pid);
        ServerClient& row = scene.answer(redis).clients.back();
        row.age_s = age_s;
        row.idle_s = quiet_s;
        row.command = "get";
        const auto change = [&](Socket& each) {
            const auto quiet_ms = std::uint32_t(quiet_s * 1000);
            each.info = TcpInfo{.last_data_sent_ms = quiet_ms,
                                .last_data_received_ms = quiet_ms,
                                .last_ack_received_ms = quiet_ms};
            if (keepalive) each.timer = {TimerKind::keepalive, 120'000, 0};
        };
        scene.change_server(pair, change);
        if (from != 0) scene.change_client(pair, change);
        return pair;
    };
    for (int count = 0; count < 1'120; ++count)
        scene.lose_client(
            connect(web1, "10.9.0.17", 900, 30 * 24 * hour, (76 + count % 140) * hour, false));
    for (int count = 0; count < 92; ++count)
        scene.lose_client(
            connect(web2, "10.9.0.18", 900, 20 * 24 * hour, (2 + count) * hour, false));
    scene.sample.processes.by_pid.erase(900);
    for (std::int32_t worker = 0; worker < 40; ++worker) {
        Process& php =
            scene.process(2'000 + worker, "php-fpm: pool shop", web1, GroupKind::php_fpm_pool);
        php.user = "www-data";
        for (int count = 0; count < 2; ++count)
            connect(web1, "10.9.0.17", 2'000 + worker, 76 * hour, 12 + count, false);
    }
    scene.sample.processes.pools.push_back({"shop", 1'999, 40, 50});
    for (std::int32_t pid : {3'001, 3'002}) {
        scene.process(pid, "worker.service", web2, GroupKind::unit).command =
            "/usr/bin/python3 /srv/worker/main.py --queue default --verbose --log-level=info";
        for (int count = 0; count < 2; ++count) connect(web2, "10.9.0.18", pid, 9 * hour, 3, true);
    }
    for (int count = 0; count < 12; ++count)
        connect(0, "10.9.4." + std::to_string(count % 8 + 1), 0, 6 * 24 * hour, 2'400, count < 9);
}

inline void healthy(World& scene) {
    const NetnsId server = scene.host("", "10.9.0.1");
    const std::size_t redis = scene.redis(server, "0.0.0.0:6379", 812);
    ServerAnswer& answer = scene.answer(redis);
    answer.connected_clients = 3;
    answer.maxclients = 10'000;
    answer.rejected_connections = 0;
    answer.tcp_keepalive_s = 300;
    answer.timeout_s = 0;
    scene.process(900, "app.service", server, GroupKind::unit);
    for (const char* end : {"127.0.0.1", "10.9.0.1"}) {
        const Pair pair = scene.connect(server, std::string(end) + ":40001", redis, 900,
                                        std::string(end) + ":6379");
        for (const Tuple& tuple : {pair.server_tuple, pair.client_tuple})
            scene.change(server, tuple, [](Socket& each) {
                each.timer = {TimerKind::keepalive, 42'000, 0};
            });
    }
}

// At maxclients nothing of the server can be asked: the kernel's side alone.
inline void refused(World& scene) {
    story(scene);
    ServerAnswer& answer = scene.answer(0);
    const auto own = answer.own_connection;
    answer = {};
    answer.own_connection = own;
    answer.asked = answer.refused_at_limit = true;
    answer.error = "ERR max number of clients reached";
    scene.sample.gaps.push_back(
        {"redis", "10.9.0.1:6379", answer.error,
         "all that the server itself knows: its client list and its settings"});
}

// One connection of each verdict.
inline void each_verdict(World& scene) {
    const NetnsId server = scene.host("", "10.9.0.1");
    const NetnsId web = scene.host("web1", "10.9.0.17");
    scene.cable(server, web);
    scene.own_address(web, "2001:db8:1234:5678:9abc:def0:1234:5678");
    const std::size_t redis = scene.redis(server, "10.9.0.1:6379", 812);
    scene.process(900, "worker.service", web, GroupKind::unit);
    int port = 40'000;
    const auto connect = [&](NetnsId from, const std::string& address) {
        return scene.connect(from, address + ':' + std::to_string(++port), redis, 900);
    };
    const Pair shared = connect(web, "10.9.0.17");
    scene.process(901, "worker.service", web, GroupKind::unit);
    scene.sample.processes.owners[scene.seen(web, shared.client_tuple).inode].push_back({901, 3});
    scene.lose_client(connect(web, "10.9.0.17"));
    scene.lose_server(connect(web, "10.9.0.17"));
    connect(0, "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]");
    scene.change_server(connect(0, "10.9.4.4"), [](Socket& each) {
        each.timer = {TimerKind::retransmit, 12'000, 7};
    });
    scene.change_server(connect(web, "10.9.0.17"), [](Socket& each) { each.inode = 0; });
    scene.change_client(connect(web, "10.9.0.17"),
                        [](Socket& each) { each.state = State::close_wait; });
    scene.change_server(connect(0, "10.9.4.4"), [](Socket& each) {
        each.state = State::time_wait;
        each.timer = {TimerKind::timewait, 59'000, 0};
        each.info.reset();
    });
}

// A remote server that nobody named, and one that is an IPv6 address.
inline void client_host(World& scene) {
    const NetnsId web = scene.host("", "10.9.0.17");
    scene.own_address(web, "2001:db8:1234:5678:9abc:def0:1234:5678");
    for (const char* text : {"10.9.0.1:6379", "[2001:db8:1234:5678:9abc:def0:1234:9999]:6379"}) {
        Server server;
        server.endpoint = end(text);
        scene.sample.servers.push_back(std::move(server));
    }
    scene.process(2'000, "php-fpm: pool shop", web, GroupKind::php_fpm_pool);
    scene.process(3'000, "worker.service", web, GroupKind::unit);
    for (int count = 0; count < 3; ++count)
        scene.connect(web, "10.9.0.17:4000" + std::to_string(count), 0, 2'000);
    const Pair leaked = scene.connect(web, "10.9.0.17:40009", 0, 3'000);
    scene.change_client(leaked, [](Socket& each) { each.state = State::close_wait; });
    const Pair probing =
        scene.connect(web, "[2001:db8:1234:5678:9abc:def0:1234:5678]:41000", 1, 3'000);
    scene.change_client(probing, [](Socket& each) {
        each.timer = {TimerKind::keepalive, 40'000, 3};
    });
}

inline void gaps(World& scene) {
    const NetnsId server = scene.host("", "10.9.0.1");
    const std::size_t redis = scene.redis(server, "10.9.0.1:6379", 812);
    scene.connect(0, "10.9.4.1:40001", redis);
    scene.sample.servers[redis].pid.reset();
    scene.sample.processes = {};
    ServerAnswer& answer = scene.answer(redis);
    answer.clients.clear();
    answer.clients_complete = false;
    answer.error = "NOAUTH Authentication required.";
    scene.sample.gaps = {
        {"redis", "10.9.0.1:6379", "NOAUTH",
         "all that the server itself knows: its client list and its settings"},
        {"proc", "312 processes", "EACCES", "who holds their sockets"},
    };
    for (int pid = 0; pid < 14; ++pid)
        scene.sample.gaps.push_back({"netns", "pid " + std::to_string(400 + pid), "EPERM",
                                     "the sockets of its network namespace are not known"});
}

// Proxies on a web host: one that carries connections one to one, one that shares two among many,
// one of which only the name is known.
inline void proxies(World& scene) {
    const NetnsId server = scene.host("", "10.9.0.1");
    const NetnsId web = scene.host("web1", "10.9.0.17");
    scene.cable(server, web);
    const std::size_t redis = scene.redis(server, "10.9.0.1:6379", 812);
    int port = 40'000;
    std::uint32_t inode = 900'000;
    const auto client = [&](Proxy& proxy, const std::string& address, std::int32_t pid,
                            std::uint32_t upstream) -> ProxyClient& {
        ProxyClient& made = proxy.clients.emplace_back();
        made.address = test::end(address + ':' + std::to_string(++port));
        made.accepted = ++inode;
        made.upstream = upstream;
        made.heard_ms = pid != 0 ? 12'000 : 3 * hour * 1000;
        made.age_ms = 4 * hour * 1000;
        if (pid == 0) return made;
        made.netns = web;
        made.inode = ++inode;
        scene.sample.processes.owners[made.inode] = {{pid, 5}};
        return made;
    };
    const auto upstream = [&](std::int32_t pid) {
        const Pair pair = scene.connect(web, "10.9.0.17:" + std::to_string(++port), redis, pid);
        return scene.seen(web, pair.client_tuple).inode;
    };
    const auto proxy = [&](std::int32_t pid, const char* name, ProxySign sign, bool one_to_one) {
        scene.process(pid, name, web, GroupKind::executable);
        Proxy made;
        made.pid = pid;
        made.sign = sign;
        made.one_to_one = one_to_one;
        made.listening = {{web, test::end("10.9.0.17:" + std::to_string(6'000 + pid))}};
        return made;
    };
    Proxy haproxy = proxy(600, "haproxy", ProxySign::traffic, true);
    for (std::int32_t worker = 0; worker < 8; ++worker) {
        scene.process(2'000 + worker, "php-fpm: pool shop", web, GroupKind::php_fpm_pool);
        client(haproxy, "10.9.0.17", 2'000 + worker, upstream(600)).keepalive_on = worker < 3;
    }
    for (int host = 1; host <= 8; ++host)
        client(haproxy, "10.9.3." + std::to_string(host), 0, upstream(600)).lookalikes =
            host == 8 ? 1 : 0;
    Proxy nutcracker = proxy(601, "nutcracker", ProxySign::program, false);
    for (int each = 0; each < 2; ++each) upstream(601);
    for (int each = 0; each < 300; ++each) {
        const std::int32_t pid = 3'000 + each % 4;
        scene.process(pid, "worker\x1b[31m.service", web, GroupKind::unit);
        client(nutcracker, "10.9.0.17", pid, 0);
    }
    Proxy envoy = proxy(602, "envoy", ProxySign::program, false);
    upstream(602);
    envoy.clients_known = false;
    scene.sample.proxies = {haproxy, nutcracker, envoy};
    // And one that was named itself.
    Server front;
    front.endpoint = end("10.9.0.17:6600");
    front.netns = web;
    front.pid = 600;
    front.through = "haproxy";
    scene.sample.servers.push_back(front);
}

inline void hostile(World& scene) {
    const std::string evil = "\x1b[31mCRITICAL\n\xff\xe2\x80\xae" + std::string(60, 'x');
    scene.netns("");
    const NetnsId server = scene.host(evil, "10.9.0.1");
    const NetnsId web = scene.host("web", "10.9.0.2");
    scene.cable(server, web);
    const std::size_t redis = scene.redis(server, "10.9.0.1:6379", 812);
    scene.answer(redis).version = evil;
    Process& process = scene.process(700, evil, web);
    process.user = evil;
    process.command = evil + ' ' + evil;
    scene.connect(web, "10.9.0.2:40001", redis, 700);
    scene.lose_client(scene.connect(web, "10.9.0.2:40002", redis, 700));
    ServerClient row;
    row.id = 77;
    row.path = "/run/" + evil;
    row.idle_s = 500;
    scene.answer(redis).clients.push_back(row);
    scene.sample.gaps.push_back({"redis", evil, evil, "all that " + evil});
}

}  // namespace connleak::test
