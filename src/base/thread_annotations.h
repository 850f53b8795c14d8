// Clang's thread-safety attributes under short names; nothing under other compilers.
// https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#pragma once

#if defined(__clang__)
#define HS_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define HS_THREAD_ATTRIBUTE(x)
#endif

#define HS_CAPABILITY(x) HS_THREAD_ATTRIBUTE(capability(x))
#define HS_SCOPED_CAPABILITY HS_THREAD_ATTRIBUTE(scoped_lockable)
#define HS_GUARDED_BY(x) HS_THREAD_ATTRIBUTE(guarded_by(x))
#define HS_PT_GUARDED_BY(x) HS_THREAD_ATTRIBUTE(pt_guarded_by(x))
#define HS_REQUIRES(...) HS_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define HS_EXCLUDES(...) HS_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define HS_ACQUIRE(...) HS_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define HS_RELEASE(...) HS_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define HS_TRY_ACQUIRE(...) HS_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define HS_NO_THREAD_SAFETY_ANALYSIS HS_THREAD_ATTRIBUTE(no_thread_safety_analysis)
