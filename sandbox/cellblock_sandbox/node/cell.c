/* What JavaScript cannot do for a cell: fork, lock, and speak on raw descriptors.
 *
 *   owner ──order + 3 descriptors──> serve() ──fork──> a cell: serve() returns, there alone
 *   owner <──"forked" + pidfd, "exited"─ serve()            ready(), job(), print(), answer()
 *
 * The zygote stays in serve(): not a line of JavaScript runs in it once it is warm. What it does there it has in
 * common with that of Python: ../native/zygote.h.
 *
 * Node-API and libuv are declared here by hand, and no more of them than is used: both are stable in binary
 * form within a major version of Node, and so a C compiler is all that it takes to build this file. What it
 * relies on beyond their promises is tried out by `trial.js` before a runtime is offered.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "../native/zygote.h"
#include "pages.h"

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);
int napi_create_string_utf8(napi_env, const char *, size_t, napi_value *);
int napi_create_double(napi_env, double, napi_value *);
int napi_get_boolean(napi_env, bool, napi_value *);
int napi_get_value_string_utf8(napi_env, napi_value, char *, size_t, size_t *);
int napi_get_value_uint32(napi_env, napi_value, uint32_t *);
int napi_get_value_bool(napi_env, napi_value, bool *);
int napi_get_buffer_info(napi_env, napi_value, void **, size_t *);
int napi_add_env_cleanup_hook(napi_env, void (*)(void *), void *);
int napi_throw_error(napi_env, const char *, const char *);

typedef struct uv_loop_s uv_loop_t;
int napi_get_uv_event_loop(napi_env, uv_loop_t **);
int uv_loop_fork(uv_loop_t *);
size_t uv_req_size(int);
int uv_queue_work(uv_loop_t *, void *, void (*)(void *), void (*)(void *, int));
enum { UV_WORK = 7 };

enum {
  MESSAGE_BYTES = 1 << 17,
  FAULT_BYTES = 1 << 20, /* what an answer in place of one that is too large may have */
  LITTLE = 4 << 20, /* where not even so much memory is to be had, that is why */
};

static uint64_t most_bytes; /* that the answer may have */

/* ---- the cell's side: locking ---- */

static void nothing(void *request) { (void)request; }

static void nothing_after(void *request, int status) {
  (void)status;
  free(request);
}

/* Starts libuv's pool of threads while threads can be started; it does so at the first piece of work. */
static void start_thread_pool(uv_loop_t *loop) {
  setenv("UV_THREADPOOL_SIZE", "1", 1);
  void *request = calloc(1, uv_req_size(UV_WORK));
  if (!request || uv_queue_work(loop, request, nothing, nothing_after)) die("thread pool");
  unsetenv("UV_THREADPOOL_SIZE");
}

/* What the zygote has open is shared by all cells, and so could carry words between them. libuv opens anew what
 * the main loop needs; the other loops are those of V8's helper threads, which no fork takes along. They may
 * still be told of work, and libuv aborts where that fails: so they get dead ends of the cell's own. */
enum end { READS, WRITES, EVENTS };
static struct {
  int descriptor;
  enum end end;
  ino_t pipe;
} shared[DESCRIPTORS];
static int shared_count;

static void list_shared_descriptors(void) {
  for (int at = CONTROL + 1; at < DESCRIPTORS; at++) {
    struct stat is;
    if (fstat(at, &is)) continue;
    shared[shared_count].descriptor = at;
    shared[shared_count].pipe = S_ISFIFO(is.st_mode) ? is.st_ino : 0;
    shared[shared_count++].end =
        !S_ISFIFO(is.st_mode) ? EVENTS : (fcntl(at, F_GETFL) & O_ACCMODE) == O_RDONLY ? READS : WRITES;
  }
}

static void unshare_descriptors(void) {
  int ends[3] = {-1, -1, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (ends[EVENTS] < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK)) die("pipe");
  for (int at = 0; at < shared_count; at++) {
    struct stat is;
    if (shared[at].pipe && !fstat(shared[at].descriptor, &is) && is.st_ino != shared[at].pipe)
      continue; /* libuv has made it anew already, in a handler of fork() */
    if (dup2(ends[shared[at].end], shared[at].descriptor) < 0) die("dup2");
  }
  for (int at = 0; at < 3; at++) close(ends[at]);
}

/* From here to the end of locking there is one thread, and nobody's code has been read. */
static void become_cell(uv_loop_t *loop, const int given[3]) {
  leave_zygote();
  for (int at = 0; at < CELLS; at++)
    if (children[at].pidfd >= 0) close(children[at].pidfd);
  if (ruleset >= 0) close(ruleset);
  unshare_descriptors();
  if (uv_loop_fork(loop)) die("uv_loop_fork");
  take_descriptors(given);
  start_thread_pool(loop);
  install_own_filter(ON_ALL_THREADS);
}

/* ---- the zygote's side: V8's and Node's ways ---- */

/* Node before 22.17 waits, when nothing is left to do, until helper threads have done what they were given, and a
 * fork takes none along. So they are given nothing: whoever wants to destroys what is not taken, and does the work
 * itself where it needs it. Node has no switch for that, but its symbols are exported: one call of a table. */
static void take_nothing(void) {}

static void **helpers_entry;

static void find_helpers_entry(void) {
#define TASK "St10unique_ptrIN2v84TaskESt14default_deleteIS3_EE"
#define TASK_OF_22 "N2v812TaskPriorityESt10unique_ptrINS1_4TaskESt14default_deleteIS4_EERKNS1_14SourceLocationE"
  void **table = dlsym(RTLD_DEFAULT, "_ZTVN4node12NodePlatformE");
  void *give = dlsym(RTLD_DEFAULT, "_ZN4node12NodePlatform18CallOnWorkerThreadE" TASK);
  if (!give) give = dlsym(RTLD_DEFAULT, "_ZN4node12NodePlatform26PostTaskOnWorkerThreadImplE" TASK_OF_22);
  Dl_info in;
  for (void **at = table; table && give && dladdr(at, &in) && in.dli_saddr == table; at++)
    if (*at == give) helpers_entry = at;
}

/* Not before all is rehearsed: what was given until then is waited for, too. */
static void spare_helper_threads(void) {
  size_t size = (size_t)sysconf(_SC_PAGESIZE);
  void *page = (void *)((uintptr_t)helpers_entry & ~(size - 1));
  if (!helpers_entry || mprotect(page, size, PROT_READ | PROT_WRITE)) return;
  *helpers_entry = (void *)take_nothing;
  mprotect(page, size, PROT_READ);
}

/* Random numbers of its own for the next cell: V8 seeds a context's generator when Math.random is first called, by
 * this flag. Set here and not in the cell, where the same call would fault in what it looks through. */
static void before_fork(void) {
  static void (*set_flags)(const char *);
  if (!set_flags) set_flags = (void (*)(const char *))dlsym(RTLD_DEFAULT, "_ZN2v82V818SetFlagsFromStringEPKc");
  uint32_t seed;
  if (!set_flags || getrandom(&seed, sizeof seed, 0) != sizeof seed) die("no random numbers");
  char flag[40];
  snprintf(flag, sizeof flag, "--random-seed=%u", (seed & INT32_MAX) | 1);
  set_flags(flag);
}

/* ---- out of memory: V8, Node and C++ end the process each in its own way, so the word has to come from here ---- */

static void tell_that_memory_is_out(void) {
  static const char body[] = "{\"error\":{\"kind\":\"memory_limit\",\"type\":\"RangeError\","
                             "\"message\":\"the code ran out of memory\",\"line\":null,\"traceback\":\"\"}}";
  if (!in_cell) _exit(1);
  unsigned char length[4] = {0, 0, 0, sizeof body - 1};
  write_all(CHANNEL, length, sizeof length);
  write_all(CHANNEL, body, sizeof body - 1);
  char byte;
  while (read(CHANNEL, &byte, 1) < 0 && errno == EINTR) continue;
  _exit(0);
}

static void on_v8_out_of_memory(const char *where, const void *details) {
  (void)where, (void)details;
  tell_that_memory_is_out();
}

/* Some places do not check and fall over what they did not get. */
static void on_deadly_signal(int number) {
  void *little = mmap(NULL, LITTLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (little == MAP_FAILED) tell_that_memory_is_out();
  signal(number, SIG_DFL);
  raise(number); /* delivered when this returns */
}

static struct sigaction wasm_traps; /* V8's, by which WebAssembly finds out that it went out of bounds */

static void on_fault(int number, siginfo_t *info, void *context) {
  void *little = mmap(NULL, LITTLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (little == MAP_FAILED) tell_that_memory_is_out();
  munmap(little, LITTLE);
  if (wasm_traps.sa_flags & SA_SIGINFO) {
    wasm_traps.sa_sigaction(number, info, context);
    return;
  }
  signal(number, SIG_DFL);
  raise(number);
}

/* V8 has no C interface and neither has C++, but their symbols are exported. */
static void watch_memory(void) {
  void *(*current)(void) = (void *(*)(void))dlsym(RTLD_DEFAULT, "_ZN2v87Isolate10GetCurrentEv");
  void (*on_v8)(void *, void (*)(const char *, const void *)) =
      (void (*)(void *, void (*)(const char *, const void *)))dlsym(
          RTLD_DEFAULT, "_ZN2v87Isolate18SetOOMErrorHandlerEPFvPKcRKNS_10OOMDetailsEE");
  void (*on_new)(void (*)(void)) = (void (*)(void (*)(void)))dlsym(RTLD_DEFAULT, "_ZSt15set_new_handlerPFvvE");
  if (current && on_v8) on_v8(current(), on_v8_out_of_memory);
  if (on_new) on_new(tell_that_memory_is_out);
  struct sigaction plain = {.sa_handler = on_deadly_signal, .sa_flags = SA_ONSTACK};
  struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_ONSTACK | SA_SIGINFO};
  const int deadly[] = {SIGABRT, SIGTRAP, SIGILL, SIGBUS};
  for (size_t at = 0; at < sizeof deadly / sizeof *deadly; at++) sigaction(deadly[at], &plain, NULL);
  sigaction(SIGSEGV, &fault, &wasm_traps);
}

/* What V8 and Node print of themselves when they die is nothing to a code node; its own prints do not come here. */
static void silence_the_interpreter(void) {
  FILE *nobody = fopencookie(NULL, "w", (cookie_io_functions_t){0});
  if (nobody) stderr = nobody;
}

/* Node's own end waits for threads that no fork takes along. Who comes here took our listeners away. */
static void leave_without_answer(void *nothing) {
  (void)nothing;
  _exit(0);
}

/* ---- what JavaScript sees ---- */

static napi_value throw(napi_env env, const char *message) {
  napi_throw_error(env, NULL, message);
  return NULL;
}

static size_t arguments(napi_env env, napi_callback_info info, napi_value *values, size_t most) {
  napi_get_cb_info(env, info, &most, values, NULL, NULL);
  return most;
}

/* receive(): one message of the owner. */
static napi_value receive(napi_env env, napi_callback_info info) {
  (void)info;
  static char text[MESSAGE_BYTES];
  ssize_t got = in_cell ? -1 : recv(CONTROL, text, sizeof text, 0);
  napi_value value = NULL;
  if (got <= 0) return throw(env, "there is no owner");
  napi_create_string_utf8(env, text, (size_t)got, &value);
  return value;
}

/* send(text): one message to the owner. */
static napi_value send_text(napi_env env, napi_callback_info info) {
  napi_value value;
  char text[4096];
  size_t size;
  if (in_cell || arguments(env, info, &value, 1) != 1) return throw(env, "not here");
  if (napi_get_value_string_utf8(env, value, text, sizeof text, &size)) return throw(env, "a string is wanted");
  tell(text, -1);
  return NULL;
}

/* forget(): unmap what the start needed of the programs' files; what is touched from here on is what cells need. No cell
 * looks up symbols, so that is done before. */
static napi_value forget(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  watch_memory();
  find_helpers_entry();
  before_fork();
  forget_program_pages();
  return NULL;
}

static bool read_filter(napi_env env, napi_value value, struct filter *filter) {
  void *bytes;
  size_t size;
  return !napi_get_buffer_info(env, value, &bytes, &size) && copy_filter(bytes, size, filter);
}

/* serve(inherited, own, selfMarker, nestedLandlock): returns in a cell that is locked, and nowhere else, whether it is
 * to rehearse. The filter `inherited` is put on here, `own` on each cell. */
static napi_value serve(napi_env env, napi_callback_info info) {
  napi_value values[4];
  struct filter inherited;
  bool nested;
  uv_loop_t *loop;
  if (in_cell || arguments(env, info, values, 4) != 4) return throw(env, "not here");
  if (!read_filter(env, values[0], &inherited) || !read_filter(env, values[1], &own) ||
      napi_get_value_uint32(env, values[2], &self_marker) || napi_get_value_bool(env, values[3], &nested) ||
      napi_get_uv_event_loop(env, &loop))
    return throw(env, "serve(inherited, own, selfMarker, nestedLandlock)");
  napi_value told[2]; /* before the fork, as all that a cell would have to do again */
  napi_get_boolean(env, false, &told[0]);
  napi_get_boolean(env, true, &told[1]);
  napi_add_env_cleanup_hook(env, leave_without_answer, NULL);
  silence_the_interpreter();
  spare_helper_threads();
  settle_pages();
  list_shared_descriptors(); /* before there are any of ours */
  if (nested) make_ruleset();
  hide();
  install(&inherited, ON_ALL_THREADS);
  struct order order = serve_owner();
  become_cell(loop, order.given);
  return told[order.rehearse];
}

/* ready(): say that this cell is locked and rehearsed, with the CPU time that it used until now. */
static napi_value ready(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  say_ready();
  return NULL;
}

/* job(): take the limits upon us, then the one job. */
static napi_value job(napi_env env, napi_callback_info info) {
  (void)info;
  unsigned char header[40]; /* data, address space (V8 reserves more than it uses: no limit of it), CPU s, answer, job */
  read_all(CHANNEL, header, sizeof header);
  size_t size = big_endian(header + 32);
  char *text = malloc(size + 1);
  if (!text) die("malloc");
  limit(RLIMIT_CPU, big_endian(header + 16), big_endian(header + 16));
  limit(RLIMIT_DATA, big_endian(header), big_endian(header));
  most_bytes = big_endian(header + 24);
  read_all(CHANNEL, text, size);
  napi_value value;
  if (napi_create_string_utf8(env, text, size, &value)) return throw(env, "the job is too large");
  free(text);
  return value;
}

/* most(): the most bytes that the answer may have. */
static napi_value most(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value value;
  napi_create_double(env, (double)most_bytes, &value);
  return value;
}

/* answer(text, instead): the end of this cell, unless the text has more bytes than it may; returns how many it has.
 * `instead` is true for what is said in the place of such a one. */
static napi_value answer(napi_env env, napi_callback_info info) {
  napi_value values[2], result;
  bool instead;
  size_t size;
  if (!in_cell || arguments(env, info, values, 2) != 2) return throw(env, "not here");
  if (napi_get_value_string_utf8(env, values[0], NULL, 0, &size) || napi_get_value_bool(env, values[1], &instead))
    return throw(env, "answer(text, instead)");
  if (size > (instead ? FAULT_BYTES : most_bytes) || size > UINT32_MAX) {
    napi_create_double(env, (double)size, &result);
    return result;
  }
  char *frame = malloc(4 + size + 1);
  if (!frame) tell_that_memory_is_out();
  for (int at = 0; at < 4; at++) frame[at] = (char)(size >> (24 - 8 * at));
  napi_get_value_string_utf8(env, values[0], frame + 4, size + 1, &size);
  write_all(CHANNEL, frame, 4 + size);
  char byte;
  while (read(CHANNEL, &byte, 1) < 0 && errno == EINTR) continue; /* the owner looks at what we used, and kills us */
  _exit(0);
}

/* echo(text): what job() and answer() do to one, for the rehearsal. */
static napi_value echo(napi_env env, napi_callback_info info) {
  napi_value text, value = NULL;
  size_t size;
  if (arguments(env, info, &text, 1) != 1 || napi_get_value_string_utf8(env, text, NULL, 0, &size))
    return throw(env, "echo(text)");
  char *copy = malloc(size + 1);
  if (!copy) die("malloc");
  napi_get_value_string_utf8(env, text, copy, size + 1, &size);
  napi_create_string_utf8(env, copy, size, &value);
  free(copy);
  return value;
}

/* print(descriptor, bytes): all of them, now; what was printed survives a kill. */
static napi_value print(napi_env env, napi_callback_info info) {
  napi_value values[2];
  uint32_t descriptor;
  void *data;
  size_t size;
  if (arguments(env, info, values, 2) != 2 || napi_get_value_uint32(env, values[0], &descriptor) ||
      napi_get_buffer_info(env, values[1], &data, &size))
    return throw(env, "print(descriptor, bytes)");
  write_all((int)descriptor, data, size);
  return NULL;
}

/* pid(): ours; Node looks it up once, in the zygote. */
static napi_value pid(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value value;
  napi_create_double(env, (double)getpid(), &value);
  return value;
}

/* die(status): at once, without a word to anybody. */
static napi_value leave(napi_env env, napi_callback_info info) {
  napi_value value;
  uint32_t status = 1;
  if (arguments(env, info, &value, 1) == 1) napi_get_value_uint32(env, value, &status);
  _exit((int)status);
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  static const struct { const char *name; napi_callback call; } functions[] = {
      {"receive", receive}, {"send", send_text}, {"serve", serve}, {"ready", ready}, {"job", job},
      {"answer", answer},   {"print", print},    {"pid", pid},     {"leave", leave}, {"forget", forget},
      {"most", most},       {"echo", echo},
  };
  for (size_t at = 0; at < sizeof functions / sizeof *functions; at++) {
    napi_value function;
    napi_create_function(env, functions[at].name, strlen(functions[at].name), functions[at].call, NULL, &function);
    napi_set_named_property(env, exports, functions[at].name, function);
  }
  return exports;
}
