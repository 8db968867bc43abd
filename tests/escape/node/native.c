/* What an attacker has who broke V8: any system call, any memory, machine code, and both threads of a cell.
 *
 * Loaded in the zygote, where native code is not yet refused; each cell finds it as globalThis.native. It is for
 * tests alone and promises nothing. Arguments of calls are numbers, bigints, or buffers (by their address).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);
int napi_create_object(napi_env, napi_value *);
int napi_create_bigint_int64(napi_env, int64_t, napi_value *);
int napi_create_double(napi_env, double, napi_value *);
int napi_get_global(napi_env, napi_value *);
int napi_get_value_int64(napi_env, napi_value, int64_t *);
int napi_get_value_bigint_int64(napi_env, napi_value, int64_t *, bool *);
int napi_get_buffer_info(napi_env, napi_value, void **, size_t *);
int napi_create_buffer_copy(napi_env, size_t, const void *, void **, napi_value *);

typedef struct uv_loop_s uv_loop_t;
int napi_get_uv_event_loop(napi_env, uv_loop_t **);
size_t uv_req_size(int);
int uv_queue_work(uv_loop_t *, void *, void (*)(void *), void (*)(void *, int));

enum { MOST = 7, BLOCK = 4 << 20 };

static long number(napi_env env, napi_value value) {
  int64_t plain = 0;
  bool lossless;
  void *data;
  size_t size;
  if (!napi_get_value_int64(env, value, &plain)) return plain;
  if (!napi_get_value_bigint_int64(env, value, &plain, &lossless)) return plain;
  return napi_get_buffer_info(env, value, &data, &size) ? 0 : (long)data;
}

static size_t numbers(napi_env env, napi_callback_info info, long given[MOST]) {
  napi_value values[MOST];
  size_t count = MOST;
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
  memset(given, 0, MOST * sizeof *given);
  for (size_t at = 0; at < count && at < MOST; at++) given[at] = number(env, values[at]);
  return count;
}

/* syscall(number, ...arguments): what came, or the error's number below zero. */
static napi_value any_call(napi_env env, napi_callback_info info) {
  long given[MOST];
  napi_value value;
  numbers(env, info, given);
  long came = syscall(given[0], given[1], given[2], given[3], given[4], given[5], given[6]);
  napi_create_double(env, came < 0 ? -errno : (double)came, &value);
  return value;
}

/* address(buffer): as a bigint. */
static napi_value address(napi_env env, napi_callback_info info) {
  long given[MOST];
  napi_value value;
  numbers(env, info, given);
  napi_create_bigint_int64(env, given[0], &value);
  return value;
}

static napi_value peek(napi_env env, napi_callback_info info) {
  long given[MOST];
  napi_value value;
  numbers(env, info, given);
  napi_create_buffer_copy(env, (size_t)given[1], (void *)given[0], NULL, &value);
  return value;
}

/* poke(address, buffer, size) */
static napi_value poke(napi_env env, napi_callback_info info) {
  long given[MOST];
  numbers(env, info, given);
  memcpy((void *)given[0], (void *)given[1], (size_t)given[2]);
  return NULL;
}

/* run(code): machine code of a function of no arguments, and what it gives. */
static napi_value run(napi_env env, napi_callback_info info) {
  long given[MOST];
  napi_value value;
  numbers(env, info, given);
  void *place = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) return NULL;
  memcpy(place, (void *)given[0], 4096);
  napi_create_double(env, (double)((long (*)(void))place)(), &value);
  return value;
}

/* fill(size, flags, protection): map so much beside what is there, write it, give it that protection. */
static bool fill(size_t size, int flags, int protection) {
  char *place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (place == MAP_FAILED) return false;
  for (size_t at = 0; at < size; at += 4096) place[at] = 1;
  return protection < 0 || !mprotect(place, size, protection);
}

static napi_value fill_memory(napi_env env, napi_callback_info info) {
  long given[MOST];
  napi_value value;
  numbers(env, info, given);
  bool done = fill((size_t)given[0], (int)given[1], (int)given[2]);
  napi_create_double(env, done ? 0 : -errno, &value);
  return value;
}

static void spin(void *request) {
  (void)request;
  for (volatile long turns = 0;; turns++) continue;
}

static void eat(void *request) {
  (void)request;
  for (;;)
    if (!fill(BLOCK, 0, PROT_READ)) pause();
}

static void never(void *request, int status) { (void)request, (void)status; }

/* leaveBehind(eats): the other thread goes on, this one ends, the process does not. */
static void *at_once(void *nothing) { return nothing; }

/* thread(): start one by libc; 0 or the error, negated. */
static napi_value thread(napi_env env, napi_callback_info info) {
  (void)info;
  pthread_t started;
  napi_value value;
  napi_create_double(env, -pthread_create(&started, 0, at_once, 0), &value);
  return value;
}

static napi_value leave_behind(napi_env env, napi_callback_info info) {
  long given[MOST];
  uv_loop_t *loop;
  numbers(env, info, given);
  napi_get_uv_event_loop(env, &loop);
  uv_queue_work(loop, calloc(1, uv_req_size(7)), given[0] ? eat : spin, never);
  for (;;) syscall(SYS_exit, 0);
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  static const struct { const char *name; napi_callback call; } functions[] = {
      {"syscall", any_call}, {"address", address}, {"peek", peek},
      {"poke", poke},        {"run", run},         {"fill", fill_memory},
      {"leaveBehind", leave_behind}, {"thread", thread},
  };
  napi_value global, native;
  napi_create_object(env, &native);
  for (size_t at = 0; at < sizeof functions / sizeof *functions; at++) {
    napi_value function;
    napi_create_function(env, functions[at].name, strlen(functions[at].name), functions[at].call, NULL, &function);
    napi_set_named_property(env, native, functions[at].name, function);
  }
  napi_get_global(env, &global);
  napi_set_named_property(env, global, "native", native);
  return exports;
}
