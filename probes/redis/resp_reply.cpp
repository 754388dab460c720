#include "probes/redis/resp_reply.h"

#include <new>

namespace connleak::probes {

namespace {

ReplyKind kind_of(int type) {
    switch (type) {
        case REDIS_REPLY_STATUS:
            return ReplyKind::status;
        case REDIS_REPLY_ERROR:
            return ReplyKind::error;
        default:
            return ReplyKind::string;
    }
}

// These functions are called by hiredis, which is C: no exception may pass through it. Returning
// nullptr ends the parsing with REDIS_ERR_OOM. The reader owns the root until it returns it; an
// array owns its elements.
template <typename Fill>
void* attach(const redisReadTask* task, ReplyKind kind, Fill fill) noexcept {
    try {
        auto reply = std::make_unique<RespReply>();
        reply->kind = kind;
        fill(*reply);
        RespReply* const raw = reply.get();
        if (task->parent == nullptr) return reply.release();
        auto* const parent = static_cast<RespReply*>(task->parent->obj);
        parent->elements.push_back(std::move(reply));
        return raw;
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void* create_string(const redisReadTask* task, char* text, std::size_t size) {
    return attach(task, kind_of(task->type),
                  [&](RespReply& reply) { reply.text.assign(text, size); });
}

// The count is an int in 0.14 and a size_t in 1.x.
template <typename Count>
void* create_array(const redisReadTask* task, Count count) {
    auto& budget = *static_cast<ReplyBudget*>(task->privdata);
    int depth = 1;
    for (const redisReadTask* up = task->parent; up != nullptr; up = up->parent) ++depth;
    if (depth > ReplyBudget::most_depth || static_cast<std::size_t>(count) > budget.elements) {
        budget.exceeded = true;
        return nullptr;
    }
    budget.elements -= static_cast<std::size_t>(count);
    return attach(task, ReplyKind::array, [](RespReply&) {});
}

void* create_integer(const redisReadTask* task, long long value) {
    return attach(task, ReplyKind::integer, [&](RespReply& reply) { reply.integer = value; });
}

void* create_nil(const redisReadTask* task) {
    return attach(task, ReplyKind::nil, [](RespReply&) {});
}

void free_reply(void* reply) {
    const std::unique_ptr<RespReply> owned(static_cast<RespReply*>(reply));
}

// Two types added by RESP3. We never request RESP3, but a server may send them anyway.
[[maybe_unused]] void* create_double(const redisReadTask* task, double /*value*/, char* text,
                                     std::size_t size) {
    return attach(task, ReplyKind::string,
                  [&](RespReply& reply) { reply.text.assign(text, size); });
}

[[maybe_unused]] void* create_bool(const redisReadTask* task, int value) {
    return attach(task, ReplyKind::integer, [&](RespReply& reply) { reply.integer = value; });
}

template <typename Functions>
Functions reply_functions() {
    Functions functions{};
    functions.createString = create_string;
    functions.createArray = create_array;
    functions.createInteger = create_integer;
    functions.createNil = create_nil;
    functions.freeObject = free_reply;
    if constexpr (requires { functions.createDouble; }) functions.createDouble = create_double;
    if constexpr (requires { functions.createBool; }) functions.createBool = create_bool;
    return functions;
}

}  // namespace

void bound_reader(redisReader& reader, ReplyBudget& budget) {
    static redisReplyObjectFunctions functions = reply_functions<redisReplyObjectFunctions>();
    reader.fn = &functions;
    reader.privdata = &budget;
}

}  // namespace connleak::probes
