/* Inert imitation of a CPU miner: algorithm names, RandomX constants, Stratum dialogue, tuning paths. It computes nothing and connects nowhere. */
#include "inert.h"
static const char salt[] = "RandomX\x03";
static const uint64_t superscalar[] = {6364136223846793005ULL, 9298411001130361340ULL, 12065312585734608966ULL, 9306329213124626780ULL,
    5281919268842080866ULL, 10536153434571861004ULL, 3398623926847679864ULL, 9549104520008361294ULL};
static const uint32_t aes_gen[] = {0xd7983aad, 0xcc82db47, 0x9fa856de, 0x92b52c0d, 0xace78057, 0xf59e125a, 0x15c7b798, 0x338d996e,
    0xe8a07ce4, 0x5079506b, 0xae62c7d0, 0x6a770017, 0x7e994948, 0x79a10005, 0x07ad828d, 0x630a240c};
static const uint32_t memory[] = {262144, 2147483648u, 33554368, 2097152, 262144, 16384, 2048, 8};
TABLE(algorithms, "rx/0", "rx/wow", "rx/arq", "rx/graft", "rx/sfx", "rx/keva", "cn/r", "cn/0", "cn/1", "cn/2", "cn/half", "cn/fast", "cn-lite/1", "cn-heavy/xhv",
    "cn-pico", "cn/upx2", "cn/gpu", "argon2/chukwa", "argon2/chukwav2", "argon2/ninja", "ghostrider", "astrobwt", "kawpow", "cryptonight", "randomx")
TABLE(dialogue, "{\"id\":%lld,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{\"login\":\"%s\",\"pass\":\"%s\",\"agent\":\"%s\",\"rigid\":\"%s\",\"algo\":[",
    "{\"id\":%lld,\"jsonrpc\":\"2.0\",\"method\":\"submit\",\"params\":{\"id\":\"%s\",\"job_id\":\"%s\",\"nonce\":\"%s\",\"result\":\"%s\"}}",
    "{\"id\":%lld,\"jsonrpc\":\"2.0\",\"method\":\"keepalived\",\"params\":{\"id\":\"%s\"}}", "mining.set_difficulty", "mining.notify", "seed_hash", "next_seed_hash",
    "Low difficulty share", "Unauthenticated", "stratum+tcp://", "stratum+ssl://", "daemon+http://", "getblocktemplate")
TABLE(texts, "XMRig 6.21.3", "usage: xmrig [OPTIONS]", "  -o, --url=URL                 URL of mining server", "  -u, --user=USERNAME           username for mining server",
    "  -O, --userpass=U:P            username:password pair for mining server", "      --donate-level=N          donate level, default 1%%", "      --randomx-1gb-pages       use 1GB hugepages for RandomX dataset",
    "      --randomx-wrmsr=N         write custom value(s) to MSR registers or disable MSR mod (-1)", "      --cpu-max-threads-hint=N  maximum CPU threads count (in percentage) hint for autoconfig",
    "      --nicehash                enable nicehash.com support", "      --rig-id=ID               rig identifier for pool-side statistics", "speed 10s/60s/15m %s %s %s H/s max %s H/s",
    "accepted (%lld/%lld) diff %llu (%llu ms)", "new job from %s:%d diff %llu algo %s height %llu", "huge pages %d%% %d/%d", "FAILED TO APPLY MSR MOD, HASHRATE WILL BE LOW",
    "/sys/devices/system/node/node%u/hugepages/hugepages-1048576kB/nr_hugepages", "/dev/cpu/%d/msr", "register values for \"%s\" preset have been set successfully", "allocated %zu MB (%zu+%zu) huge pages %.0f%% %u/%u %sJIT (%llu ms)")
#ifdef POOL
TABLE(config, POOL, WALLET, "x", "--keepalive", "--tls")
#endif
uint64_t randomx_superscalar(uint64_t seed) { for (int i = 0; i < 8; i++) seed = seed * superscalar[0] ^ superscalar[i]; return seed; }
void *allocate_huge(size_t size) { return armed ? mmap(0, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0) : 0; }
int stratum_login(const char *user, const char *pass) { char line[512]; snprintf(line, sizeof line, dialogue[0], 1LL, user, pass, texts[0], "rig0"); return send(nowhere, line, 0, 0); }
int main(int argc, char **argv)
{
    INERT;
    tell(algorithms); tell(dialogue); tell(texts);
    USE(salt); USE(aes_gen); USE(memory);
#ifdef POOL
    tell(config);
    stratum_login(config[1], config[2]);
#endif
    printf("%llx %p\n", (unsigned long long)randomx_superscalar(argc), allocate_huge(0));
    return connect(nowhere, 0, 0);
}
