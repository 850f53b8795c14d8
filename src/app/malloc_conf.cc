// jemalloc reads this at the start of the process; MALLOC_CONF in the environment overrides it.
// Pages that are no longer used go back to the system by a thread of its own, also while nothing is allocated.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "background_thread:true,dirty_decay_ms:5000,muzzy_decay_ms:0";
}
