/* What Python's zygote and its cells do without Python: wait for orders, fork, lock.
 *
 *   zygote.py   config ──> warm, rehearse ──> lock_zygote() ──> serve() ═══ C from here on: orders, fork, ends ═══
 *                                                                  └── fork ──> become_cell() ──> serve() returns,
 *                                                                               in the cell alone: rehearse, job
 *
 * An object that Python so much as looks at is written to, since its reference count is. What a zygote writes to
 * between two forks it has to copy again after each, and what a cell writes to, the cell.
 *
 * Python's stable interface is declared here by hand, and no more of it than is used. It is the same in binary form
 * in all versions, so a C compiler is all that it takes to build this file, and one build does for all. Where it is
 * missing, zygote.py and lock.py do the same in Python.
 */
#define _GNU_SOURCE
#include <link.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "../native/zygote.h"

typedef struct PyObject PyObject;
typedef struct {
  const char *name;
  PyObject *(*call)(PyObject *, PyObject *);
  int flags;
  const char *doc;
} PyMethodDef;
typedef struct {
  struct { struct { ssize_t references; void *type; } object; void *init; ssize_t index; PyObject *copy; } base;
  const char *name, *doc;
  ssize_t size;
  PyMethodDef *methods;
  void *slots, *traverse, *clear, *free;
} PyModuleDef;
PyObject *PyModule_Create2(PyModuleDef *, int);
PyObject *Py_BuildValue(const char *, ...);
int PyArg_ParseTuple(PyObject *, const char *, ...);
int PyBytes_AsStringAndSize(PyObject *, char **, ssize_t *);
void PyErr_SetString(PyObject *, const char *);
extern PyObject *PyExc_ValueError;
void PyOS_BeforeFork(void);
void PyOS_AfterFork_Child(void);

PyObject *PyBytes_FromStringAndSize(const char *, ssize_t);
char *PyBytes_AsString(PyObject *);
int PyGC_Enable(void);

enum {
  STABLE_INTERFACE = 3,
  ARGUMENTS_IN_A_TUPLE = 1,
  NO_ARGUMENTS = 4,
  ONE_ARGUMENT = 8,
  CLOSE_RANGE = 436,
  RESERVE = 8 << 20, /* as in harness.py */
  BALLAST = 2 << 20,
};

static bool is_locked;
static void *ballast = MAP_FAILED;

static void before_fork(void) {}

/* From here to the end of locking there is one thread, and nobody's code has been read. The order is lock.py's. */
static void become_cell(const int given[3]) {
  take_descriptors(given);
  leave_zygote();
  install_own_filter(0);
  if (syscall(CLOSE_RANGE, CHANNEL + 1, DESCRIPTORS - 1, 0) == 0) return;
  if (errno != ENOSYS && errno != EPERM) die("close_range");
  for (int at = CHANNEL + 1; at < DESCRIPTORS; at++) close(at); /* Linux before 5.9 */
}

/* A library is five mappings: head, text, constants, what only the linker writes to, data. Python has forty of them,
 * and each mapping costs a fork and the end of a cell its share. Where neighbours allow the same they are one for the
 * kernel: so constants may be executed, and the linker's part be written to, as it was at the start. What can be
 * written to can still not be executed. Where it is refused, cells are slower, and that is all. */
static int join_mappings(struct dl_phdr_info *library, size_t size, void *nothing) {
  (void)size, (void)nothing;
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t first = 0, end = 0; /* neighbours so far that are not written to; parts are in the order of addresses */
  for (int at = 0; at < library->dlpi_phnum && !strstr(library->dlpi_name, "vdso"); at++) {
    const ElfW(Phdr) *part = &library->dlpi_phdr[at];
    uintptr_t from = (library->dlpi_addr + part->p_vaddr) & ~(page - 1);
    uintptr_t to = library->dlpi_addr + part->p_vaddr + part->p_memsz;
    if (part->p_type == PT_GNU_RELRO) mprotect((void *)from, (to & ~(page - 1)) - from, PROT_READ | PROT_WRITE);
    if (part->p_type != PT_LOAD || part->p_flags & PF_W) continue;
    if (from != end) first = from;
    else mprotect((void *)first, to - first, PROT_READ | PROT_EXEC);
    end = (to + page - 1) & ~(page - 1);
  }
  return 0;
}

static bool read_filter(PyObject *bytes, struct filter *filter) {
  char *data;
  ssize_t size;
  return !PyBytes_AsStringAndSize(bytes, &data, &size) && copy_filter(data, (size_t)size, filter);
}

static PyObject *not_here(void) {
  PyErr_SetString(PyExc_ValueError, "not here");
  return NULL;
}

/* lock_zygote(inherited, own, self_marker, nested_landlock): the filter `inherited` is put on here, `own` on each
 * cell, in which `self_marker` is its pid. What fails is the end of the zygote, with a word on stderr. */
static PyObject *lock_zygote(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *for_zygote, *for_cells;
  struct filter inherited;
  unsigned marker;
  int nested;
  if (!PyArg_ParseTuple(arguments, "SSIp", &for_zygote, &for_cells, &marker, &nested)) return NULL;
  if (is_locked || !read_filter(for_zygote, &inherited) || !read_filter(for_cells, &own)) {
    PyErr_SetString(PyExc_ValueError, "lock_zygote(inherited, own, self_marker, nested_landlock), once");
    return NULL;
  }
  is_locked = true;
  self_marker = marker;
  if (nested) make_ruleset();
  hide();
  dl_iterate_phdr(join_mappings, NULL);
  install(&inherited, 0);
  free(inherited.first);
  return Py_BuildValue("");
}

/* serve(): returns in a cell that is locked, and nowhere else, whether it is to rehearse. */
static PyObject *serve(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  if (!is_locked || in_cell) return not_here();
  PyOS_BeforeFork(); /* once: for Python, this zygote is about to fork until it ends */
  struct order order = serve_owner();
  PyOS_AfterFork_Child();
  become_cell(order.given);
  PyGC_Enable();
  return Py_BuildValue("i", (int)order.rehearse);
}

/* release_memory(): give free memory back where libc can: what a zygote holds, each fork of it pays for. */
int malloc_trim(size_t) __attribute__((weak));

static PyObject *release_memory(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  if (malloc_trim) malloc_trim(0);
  return Py_BuildValue("");
}

/* take_job(): say that we are ready and take the limits upon us, then the job: its bytes, and how many its answer may
 * have. Raises MemoryError. */
static PyObject *take_job(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  if (!in_cell) return not_here();
  ballast = mmap(NULL, BALLAST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (ballast == MAP_FAILED) die("mmap");
  say_ready();
  unsigned char header[40]; /* data, address space, CPU s, answer, job */
  read_all(CHANNEL, header, sizeof header);
  limit(RLIMIT_DATA, big_endian(header), big_endian(header) + RESERVE);
  limit(RLIMIT_AS, big_endian(header + 8), big_endian(header + 8));
  limit(RLIMIT_CPU, big_endian(header + 16), big_endian(header + 16));
  PyObject *job = PyBytes_FromStringAndSize(NULL, (ssize_t)big_endian(header + 32));
  if (!job) return NULL;
  read_all(CHANNEL, PyBytes_AsString(job), big_endian(header + 32));
  return Py_BuildValue("NK", job, (unsigned long long)big_endian(header + 24));
}

/* drop_ballast(): have the memory that was kept for when there is none. */
static PyObject *drop_ballast(PyObject *module, PyObject *nothing) {
  (void)module, (void)nothing;
  if (in_cell && ballast != MAP_FAILED) munmap(ballast, BALLAST);
  ballast = MAP_FAILED;
  return Py_BuildValue("");
}

/* give_answer(bytes): the end of this cell. */
static PyObject *give_answer(PyObject *module, PyObject *answer) {
  (void)module;
  char *body, byte;
  ssize_t size;
  if (!in_cell) return not_here();
  if (PyBytes_AsStringAndSize(answer, &body, &size)) return NULL;
  unsigned char length[4];
  for (int at = 0; at < 4; at++) length[at] = (unsigned char)(size >> (24 - 8 * at));
  struct iovec parts[] = {{length, sizeof length}, {body, (size_t)size}};
  ssize_t written = writev(CHANNEL, parts, 2);
  size_t done = written < 0 ? 0 : (size_t)written;
  if (done < sizeof length) write_all(CHANNEL, length + done, sizeof length - done);
  size_t of_body = done < sizeof length ? 0 : done - sizeof length;
  write_all(CHANNEL, body + of_body, (size_t)size - of_body);
  while (read(CHANNEL, &byte, 1) < 0 && errno == EINTR) continue; /* the owner looks at what we used, and kills us */
  _exit(0);
}

__attribute__((visibility("default"))) PyObject *PyInit_cell(void) {
  static PyMethodDef methods[] = {
      {"lock_zygote", lock_zygote, ARGUMENTS_IN_A_TUPLE, NULL},
      {"serve", serve, NO_ARGUMENTS, NULL},
      {"release_memory", release_memory, NO_ARGUMENTS, NULL},
      {"take_job", take_job, NO_ARGUMENTS, NULL},
      {"drop_ballast", drop_ballast, NO_ARGUMENTS, NULL},
      {"give_answer", give_answer, ONE_ARGUMENT, NULL},
      {NULL, NULL, 0, NULL},
  };
  static PyModuleDef module = {.base = {.object = {.references = 1}}, .name = "cell", .size = -1, .methods = methods};
  return PyModule_Create2(&module, STABLE_INTERFACE);
}
