/* What the zygotes of all languages do in C: take orders, fork, lock what was forked, tell of its end.
 *
 *   owner ──order + 3 descriptors──> serve_owner() ──fork──> a cell: serve_owner() returns, there alone
 *   owner <──"forked" + pidfd, "exited"─ serve_owner()
 *
 * What is told is a word and numbers: which cell, and of one that ended its status, its CPU time in nanoseconds and its
 * peak of memory in kilobytes.
 *
 * An order is four numbers: which cell is wanted, in how many milliseconds, whether it is to rehearse, and which
 * cell has answered and goes before it is made.
 *
 * A zygote stays in serve_owner(): nothing of its interpreter's is read or written there. So what cells are forked
 * from is at rest, whatever the cells do, and hardly a page has to be copied for the zygote. python/zygote.py and
 * python/lock.py do the same where no addon could be built; the owner does not know which of them it talks to.
 *
 * An addon includes this file once, defines _GNU_SOURCE before that, and has a before_fork().
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  CONTROL = 3, /* in the zygote */
  CHANNEL = 3, /* in a cell */
  DESCRIPTORS = 64, /* the zygote's ceiling */
  FORK_TRIES = 200, /* 10 ms apart */
  CELLS = 32, /* alive at once, the dying ones included; each holds a descriptor here */
  LANDLOCK_CREATE_RULESET = 444,
  LANDLOCK_RESTRICT_SELF = 446,
  SIGNALS_AND_ABSTRACT_SOCKETS = 3, /* scopes of Landlock ABI 6 */
  PIDFD_OPEN = 434,
  SET_MODE_FILTER = 1, /* seccomp(2) */
  ON_ALL_THREADS = 1,
};

struct instruction { /* struct sock_filter */
  uint16_t code;
  uint8_t if_true, if_false;
  uint32_t number;
};

struct filter {
  struct instruction *first;
  size_t length; /* in instructions; 0 leaves the filter out */
};

struct child {
  int pidfd; /* -1: free */
  pid_t pid;
  unsigned seq;
};

struct order {
  unsigned seq, rehearse, done; /* `done` is 0 where there is none */
  int64_t due;
  int given[3]; /* channel, stdout, stderr */
};

static struct child children[CELLS];
static pid_t zygote;
static bool in_cell;

/* What locks each cell, made ready in the zygote. */
static struct filter own;
static uint32_t self_marker; /* stands in it wherever the cell's own pid belongs */
static int ruleset = -1; /* of Landlock, it forbids nothing but to reach beyond the domain; -1: no such scopes here */

/* The last thing that an addon does in the zygote before each fork. */
static void before_fork(void);

static void die(const char *what) {
  dprintf(2, "%s: %s\n", what, strerror(errno)); /* Node.js's stderr is silenced */
  _exit(1);
}

/* ---- the cell's side: locking. A lock that fails is the end of the cell ---- */

static void install(const struct filter *filter, unsigned flags) {
  struct { unsigned short length; struct instruction *first; } program = {filter->length, filter->first};
  if (filter->length && syscall(SYS_seccomp, SET_MODE_FILTER, flags, &program)) die("seccomp");
}

static void install_own_filter(unsigned flags) {
  for (size_t at = 0; at < own.length; at++)
    if (own.first[at].number == self_marker) own.first[at].number = (uint32_t)getpid();
  install(&own, flags);
}

/* Die with the zygote, and be in a domain of our own: within one together, cells could signal each other. */
static void leave_zygote(void) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL)) die("prctl");
  if (getppid() != zygote) _exit(1); /* it died before we could ask to be told */
  if (ruleset >= 0 && syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0)) die("landlock");
}

static void take_descriptors(const int given[3]) {
  int input[2]; /* an end of input of its own: what cells share, even flags of /dev/null, carries words */
  if (pipe(input)) die("pipe");
  close(input[1]);
  const int from[] = {input[0], given[1], given[2], given[0]};
  for (int to = 0; to < 4; to++)
    if (dup2(from[to], to) < 0) die("dup2");
  for (int at = 0; at < 4; at++) close(from[at]);
}

/* ---- the cell's side: its channel ---- */

static void write_all(int descriptor, const void *data, size_t size) {
  for (const char *at = data; size > 0;) {
    ssize_t written = write(descriptor, at, size);
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN && poll(&(struct pollfd){descriptor, POLLOUT, 0}, 1, -1) >= 0) continue; /* the code's doing */
      return; /* nobody reads: the owner is gone, and we soon are, too */
    }
    at += written;
    size -= (size_t)written;
  }
}

static void read_all(int descriptor, void *data, size_t size) {
  for (char *at = data; size > 0;) {
    ssize_t got = read(descriptor, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) _exit(0); /* the owner has no job for us any more */
    at += got;
    size -= (size_t)got;
  }
}

static uint64_t big_endian(const unsigned char *bytes) {
  uint64_t number = 0;
  for (int at = 0; at < 8; at++) number = number << 8 | bytes[at];
  return number;
}

/* That this cell is locked and rehearsed, with the CPU time that it used until now. */
static void say_ready(void) {
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  uint64_t cpu_ns = used.tv_sec * 1000000000ULL + used.tv_nsec;
  unsigned char bytes[8];
  for (int at = 0; at < 8; at++) bytes[at] = (unsigned char)(cpu_ns >> (56 - 8 * at));
  write_all(CHANNEL, bytes, sizeof bytes);
}

static void limit(int resource, uint64_t soft, uint64_t hard) {
  if (setrlimit(resource, &(struct rlimit){soft, hard})) die("setrlimit");
}

/* ---- the zygote's side: its own lock, orders and ends ---- */

static void make_ruleset(void) {
  uint64_t attributes[3] = {0, 0, SIGNALS_AND_ABSTRACT_SOCKETS};
  ruleset = (int)syscall(LANDLOCK_CREATE_RULESET, attributes, sizeof attributes, 0);
  if (ruleset < 0) die("landlock");
}

/* Nobody of the same user may look into us or our cells. */
static void hide(void) {
  if (prctl(PR_SET_DUMPABLE, 0)) die("prctl");
}

static bool copy_filter(const void *bytes, size_t size, struct filter *filter) {
  filter->length = size / sizeof(struct instruction);
  filter->first = malloc(size + 1);
  if (!filter->first) die("malloc");
  memcpy(filter->first, bytes, size);
  return size % sizeof(struct instruction) == 0;
}

static void tell(const char *message, int descriptor) {
  char space[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec part = {(void *)message, strlen(message)};
  struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
  if (descriptor >= 0) {
    header.msg_control = space;
    header.msg_controllen = sizeof space;
    struct cmsghdr *control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(control), &descriptor, sizeof(int));
  }
  if (sendmsg(CONTROL, &header, MSG_NOSIGNAL) < 0) _exit(0); /* the owner is gone */
}

/* One command; fills `given` where three descriptors came with it. */
static void hear(char *text, size_t size, int given[3]) {
  char space[CMSG_SPACE(3 * sizeof(int))];
  struct iovec part = {text, size - 1};
  struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  ssize_t got = recvmsg(CONTROL, &header, MSG_CMSG_CLOEXEC);
  if (got <= 0) _exit(0);
  if (header.msg_flags & MSG_CTRUNC) die("too many descriptors");
  text[got] = 0;
  for (struct cmsghdr *control = CMSG_FIRSTHDR(&header); control; control = CMSG_NXTHDR(&header, control))
    if (control->cmsg_type == SCM_RIGHTS && control->cmsg_len == CMSG_LEN(3 * sizeof(int)))
      memcpy(given, CMSG_DATA(control), 3 * sizeof(int));
}

static void reap(struct child *child) {
  int status;
  struct rusage usage;
  if (wait4(child->pid, &status, 0, &usage) < 0) die("wait4");
  long long cpu_ns = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000LL +
                     (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
  char message[160];
  snprintf(message, sizeof message, "exited %u %d %lld %ld", child->seq, status, cpu_ns, usage.ru_maxrss);
  close(child->pidfd);
  child->pidfd = -1;
  tell(message, -1);
}

static void end_cell(unsigned seq) {
  for (int at = 0; at < CELLS; at++)
    if (children[at].pidfd >= 0 && children[at].seq == seq) kill(children[at].pid, SIGKILL); /* not reaped yet */
}

/* A cell that was killed may still have all the processes that we may have; it ends soon. */
static pid_t fork_when_possible(void) {
  pid_t pid = fork();
  for (int turn = 0; pid < 0 && errno == EAGAIN && turn < FORK_TRIES; turn++) {
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    pid = fork();
  }
  return pid;
}

/* True in the cell. */
static bool fork_cell(const struct order *order) {
  end_cell(order->done);
  struct child *free_place = NULL;
  for (int at = 0; at < CELLS; at++)
    if (children[at].pidfd < 0) free_place = &children[at];
  if (!free_place) die("too many cells at once");
  before_fork();
  pid_t pid = fork_when_possible();
  if (pid < 0) die("fork");
  if (pid == 0) {
    in_cell = true;
    return true;
  }
  int pidfd = (int)syscall(PIDFD_OPEN, pid, 0);
  if (pidfd < 0) die("pidfd_open");
  *free_place = (struct child){pidfd, pid, order->seq};
  char message[40];
  snprintf(message, sizeof message, "forked %u", order->seq);
  tell(message, pidfd);
  for (int at = 0; at < 3; at++) close(order->given[at]);
  return false;
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int wait_for_events(struct pollfd polls[CELLS + 1], struct child *polled[CELLS + 1], int patience_ms) {
  int count = 1;
  polls[0] = (struct pollfd){CONTROL, POLLIN, 0};
  for (int at = 0; at < CELLS; at++)
    if (children[at].pidfd >= 0) {
      polls[count] = (struct pollfd){children[at].pidfd, POLLIN, 0};
      polled[count++] = &children[at];
    }
  int ready = poll(polls, count, patience_ms);
  if (ready < 0 && errno != EINTR) die("poll");
  return ready > 0 ? count : 0;
}

/* Until the owner is gone; returns in a cell, with the order that it was made by. A cell may be asked for ahead of
 * the time when it is made. */
static struct order serve_owner(void) {
  bool wanted = false;
  struct order order = {0};
  zygote = getpid();
  for (int at = 0; at < CELLS; at++) children[at].pidfd = -1;
  for (;;) {
    struct pollfd polls[CELLS + 1];
    struct child *polled[CELLS + 1];
    int64_t left = wanted ? order.due - now_ms() : -1;
    if (wanted && left <= 0) {
      wanted = false;
      if (fork_cell(&order)) return order;
      continue;
    }
    int count = wait_for_events(polls, polled, (int)left);
    for (int at = 1; at < count; at++)
      if (polls[at].revents) reap(polled[at]);
    if (count && polls[0].revents) {
      char text[64];
      int came[3] = {-1, -1, -1};
      hear(text, sizeof text, came);
      if (wanted) { /* whatever is said next, what was put off is put off no longer */
        wanted = false;
        if (fork_cell(&order)) {
          for (int part = 0; part < 3; part++)
            if (came[part] >= 0) close(came[part]);
          return order;
        }
      }
      unsigned delay_ms;
      if (sscanf(text, "%u %u %u %u", &order.seq, &delay_ms, &order.rehearse, &order.done) == 4) {
        wanted = true;
        order.due = now_ms() + delay_ms;
        memcpy(order.given, came, sizeof came);
      }
    }
  }
}
