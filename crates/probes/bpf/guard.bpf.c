// Refuses, and counts, what the processes of a cgroup send through any network namespace but their own. The first guard is that no other
// one is in reach: this one is for the day that fails.
#include "core.h"

char LICENSE[] SECTION("license") = "GPL";

enum refused { REFUSED_CONNECT, REFUSED_SEND, REFUSED_PACKET, REFUSED };

struct {
    MAP_UINT(type, MAP_PERCPU_ARRAY);
    MAP_UINT(max_entries, REFUSED);
    MAP_TYPE(key, u32);
    MAP_TYPE(value, u64);
} refused SECTION(".maps");

// SO_NETNS_COOKIE of a socket in the sample's network namespace.
const volatile u64 own_namespace = 0;

static u64 (*namespace_of)(void *context) = (void *)122;

INLINE int judge(void *context, u32 which)
{
    if (namespace_of(context) == own_namespace)
        return 1;
    u64 *count = map_lookup(&refused, &which);
    if (count)
        *count += 1;
    return 0;
}

SECTION("cgroup/connect4") int connect4(void *context) { return judge(context, REFUSED_CONNECT); }
SECTION("cgroup/connect6") int connect6(void *context) { return judge(context, REFUSED_CONNECT); }
SECTION("cgroup/sendmsg4") int sendmsg4(void *context) { return judge(context, REFUSED_SEND); }
SECTION("cgroup/sendmsg6") int sendmsg6(void *context) { return judge(context, REFUSED_SEND); }
SECTION("cgroup_skb/egress") int egress(void *context) { return judge(context, REFUSED_PACKET); }
