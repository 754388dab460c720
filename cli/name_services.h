// How the C library looks up names of users, hosts and services.
#pragma once

namespace connleak::cli {

// In the self-contained build: by /etc/passwd, /etc/hosts, DNS and /etc/services alone. Otherwise
// the C library inside would load this host's NSS modules, which belong to another version of it.
// To be called before any thread is there.
void use_own_name_services();

}  // namespace connleak::cli
