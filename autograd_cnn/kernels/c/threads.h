/* Threads that share the items of a loop.
 *
 * One pool of threads, the crew, serves all kernels of a step.  After a loop its threads look for the next one for a while before they
 * sleep, because waking a sleeping thread takes as long as a small kernel.  An item is computed by one thread, in one order, so
 * results do not depend on who takes it.  A call that finds the crew at work (another Python thread) computes alone. */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define MOST_THREADS 64
#define WORTH 4000   /* nanoseconds of work below which sharing it costs more than it brings */
#define WATCH 200000 /* nanoseconds that an idle thread looks for work before it sleeps */
#define ALONE 20000000 /* nanoseconds without help after it came late: another program has its core (1.4-2.0 to 1.1-1.5 times one thread) */

typedef struct Call Call;
typedef void (*Part)(const Call *call, long begin, long end);

/* `state` counts loops in its upper half; then a flag, set while threads may join; then those that have joined. */
#define LOOP (INT64_C(1) << 32)
#define OPEN (INT64_C(1) << 31)
#define JOINED (OPEN - 1)

typedef struct {
    _Alignas(64) atomic_long next;
    long end;
} Range;

static struct {
    Range ranges[MOST_THREADS]; /* of the items, one for each thread, so that a thread finds in its cache what it had before */
    atomic_long state, alone_until;
    atomic_int sleeping;
    atomic_flag taken;
    int members, wanted;
    unsigned modes; /* of the processor, see MODES */
    int sharing; /* the threads that share this loop: numbers 0, the caller's, to sharing - 1 */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    Part part;
    const Call *call;
    long grain;
} crew = {.taken = ATOMIC_FLAG_INIT, .wanted = 1, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static _Thread_local int own_number = 0; /* of a thread in the crew */

static inline void breathe(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* What the processor does with numbers below the smallest normal one.  They count as 0 in most loops: momentum of units that get no
 * gradient decays into them, and arithmetic on them takes some hundred times as long (B1 at batch 1: SGD of 10,816 weights 130 us,
 * then 2). */
#if defined(__SSE2__)
#define MODES() __builtin_ia32_stmxcsr()
#define SET_MODES(modes) __builtin_ia32_ldmxcsr(modes)
#else
#define MODES() 0
#define SET_MODES(modes) ((void)(modes))
#endif
#define FLUSH 0x8040u

static long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

/* Compute what is left of a thread's own range, then of the others'. */
static void take_items(int own) {
    for (int k = 0; k < crew.sharing; k++) {
        Range *range = &crew.ranges[(own + k) % crew.sharing];
        long begin;
        while ((begin = atomic_fetch_add(&range->next, crew.grain)) < range->end) {
            const long end = begin + crew.grain;
            crew.part(crew.call, begin, end < range->end ? end : range->end);
        }
    }
}

/* Returns the state of a loop after `seen`. */
static long wait_for_loop(long seen) {
    const long start = nanoseconds();
    long state;
    for (int turn = 1; (state = atomic_load(&crew.state)) / LOOP == seen; turn++) {
        breathe();
        if (turn % 64 || nanoseconds() - start < WATCH) continue;
        pthread_mutex_lock(&crew.lock);
        atomic_fetch_add(&crew.sleeping, 1);
        while (atomic_load(&crew.state) / LOOP == seen) pthread_cond_wait(&crew.wake, &crew.lock);
        atomic_fetch_sub(&crew.sleeping, 1);
        pthread_mutex_unlock(&crew.lock);
    }
    return state;
}

static void *member(void *number) {
    own_number = (int)(intptr_t)number;
    for (long seen = 0;;) {
        long state = wait_for_loop(seen);
        seen = state / LOOP;
        while (state / LOOP == seen && state & OPEN && own_number < crew.sharing)
            if (atomic_compare_exchange_weak(&crew.state, &state, state + 1)) {
                SET_MODES(crew.modes);
                take_items(own_number);
                atomic_fetch_sub(&crew.state, 1);
                break;
            }
    }
    return NULL;
}

static void after_fork(void) { /* the child has none of the threads */
    crew.members = 0;
    atomic_store(&crew.state, 0);
    atomic_store(&crew.sleeping, 0);
    atomic_flag_clear(&crew.taken);
    pthread_mutex_init(&crew.lock, NULL);
    pthread_cond_init(&crew.wake, NULL);
}

static void hire(int members) {
    static int registered = 0;
    if (!registered) registered = !pthread_atfork(NULL, NULL, after_fork);
    sigset_t all, before;
    sigfillset(&all); /* Ctrl-C is for the main thread */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (crew.members < members) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, member, (void *)(intptr_t)(crew.members + 1))) break;
        pthread_detach(thread);
        crew.members++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Call part(call, begin, end) over all of `items`, of which each takes about `cost` nanoseconds, by so many threads; `exact` if numbers
 * below the smallest normal one count as themselves. */
static void share(const Call *call, Part part, long items, double cost, int threads, int exact) {
    const unsigned before = MODES(), modes = exact ? before & ~FLUSH : before | FLUSH;
    long start = 0;
    SET_MODES(modes);
    if (threads < 2 || items < 2 || items * cost < WORTH || (start = nanoseconds()) < atomic_load(&crew.alone_until) ||
        atomic_flag_test_and_set(&crew.taken)) {
        part(call, 0, items);
        SET_MODES(before);
        return;
    }
    if (crew.members < threads - 1) hire(threads - 1);
    crew.sharing = threads;
    crew.part = part;
    crew.modes = modes;
    crew.call = call;
    crew.grain = (items + 8 * threads - 1) / (8 * threads);
    for (int k = 0; k < threads; k++) {
        crew.ranges[k].end = items * (k + 1) / threads;
        atomic_store_explicit(&crew.ranges[k].next, items * k / threads, memory_order_relaxed);
    }
    atomic_fetch_add(&crew.state, LOOP + OPEN);
    if (atomic_load(&crew.sleeping)) {
        pthread_mutex_lock(&crew.lock);
        pthread_cond_broadcast(&crew.wake);
        pthread_mutex_unlock(&crew.lock);
    }
    take_items(0);
    const long own = nanoseconds() - start;
    atomic_fetch_sub(&crew.state, OPEN);
    for (int turn = 1; atomic_load(&crew.state) & JOINED; turn++) turn % 1024 ? breathe() : (void)sched_yield();
    if (nanoseconds() - start > 2 * own + WATCH / 4) atomic_store(&crew.alone_until, nanoseconds() + ALONE);
    atomic_flag_clear(&crew.taken);
    SET_MODES(before);
}
