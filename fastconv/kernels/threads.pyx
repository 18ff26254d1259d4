"""How many threads the system would start: OpenMP ends the process where it is refused one.

The trial threads wait until all of them are there, so that a limit on how many there are at a time is met, and are gone
from the system's count when the trial ends. Without OpenMP, or without POSIX threads, nothing is tried.
"""
from libc.stdlib cimport calloc, free

cdef extern from *:
    """
    #if defined(_OPENMP) && !defined(_WIN32)
      #define FC_TRIES 1
      #include <pthread.h>
      #include <sched.h>
      #ifdef __linux__
        #include <sys/syscall.h>
        #include <unistd.h>
        #define FC_SELF() syscall(SYS_gettid)
        #define FC_LIVES(id) (syscall(SYS_tgkill, getpid(), (id), 0) == 0)
      #else
        #define FC_SELF() 0
        #define FC_LIVES(id) 0
      #endif
      typedef struct { pthread_t thread; pthread_mutex_t *gate; long id; } fc_trial;
      static void *fc_wait(void *argument) {
        fc_trial *trial = (fc_trial *) argument;
        trial->id = FC_SELF();
        pthread_mutex_lock(trial->gate);
        pthread_mutex_unlock(trial->gate);
        return NULL;
      }
      static int fc_started(fc_trial *trials, int n, size_t stack) {
        pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
        pthread_attr_t attributes;
        int started = 0, i, turn;
        if (pthread_attr_init(&attributes)) return 0;
        if (stack) pthread_attr_setstacksize(&attributes, stack);
        pthread_mutex_lock(&gate);
        for (; started < n; started++) {
          trials[started].gate = &gate;
          if (pthread_create(&trials[started].thread, &attributes, fc_wait, &trials[started])) break;
        }
        pthread_mutex_unlock(&gate);
        for (i = 0; i < started; i++) pthread_join(trials[i].thread, NULL);
        for (i = 0; i < started; i++)    /* a thread that was joined is counted until the kernel is done with it */
          for (turn = 0; turn < 100000 && FC_LIVES(trials[i].id); turn++) sched_yield();
        pthread_mutex_destroy(&gate);
        pthread_attr_destroy(&attributes);
        return started;
      }
    #else
      #define FC_TRIES 0
      typedef struct { int unused; } fc_trial;
      static int fc_started(fc_trial *trials, int n, size_t stack) {
        (void) trials; (void) stack;
        return n;
      }
    #endif
    """
    ctypedef struct fc_trial:
        pass
    bint FC_TRIES
    int fc_started(fc_trial* trials, int n, size_t stack) nogil


def startable(int n, size_t stack) -> int:
    """As many of `n` threads as the system would start now beside those there are, with stacks of so many bytes.

    0 bytes stand for the system's usual stack.
    """
    cdef fc_trial* trials
    cdef int started
    if not FC_TRIES:
        return n
    with nogil:
        trials = <fc_trial*> calloc(n, sizeof(fc_trial))
        started = fc_started(trials, n, stack) if trials != NULL else 0
        free(trials)
    return started
