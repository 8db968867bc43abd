/* Where a zygote's memory lies: what a fork and the end of the copy cost goes by the pages that are mapped, the tables
 * that hold them, and the mappings. And each page that a cell writes to is a fault of its own. So:
 *
 *   V8's heap          in one piece, which the kernel can hold in huge pages; V8 would strew it over the address space
 *   the programs'      what a rehearsal touches is mapped, with what lies around it, and in a copy it is mapped, too
 *   files
 *   libc's heap        what a cell allocates lies together, behind all that was there before
 *
 * None of it is needed: where a kernel does not go along, cells are slower. The addon is preloaded (LD_PRELOAD), so that
 * Node's and V8's calls of mmap and munmap come here from the first moment on.
 */
#ifndef CELLBLOCK_PAGES_H
#define CELLBLOCK_PAGES_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  PAGE = 4096,
  CHUNK = 256 << 10, /* of V8's heap */
  HUGE = 2 << 20,
  LARGE = 8 << 20,   /* reserved for code and tables, and no chunk */
  ROOM = 256 << 20,  /* in which the heap grows */
  BELOW_TOP = 120 << 10, /* more than libc has free in one piece, less than it maps apart */
  PLUGS = 4 << 20,
  COLLAPSE = 25, /* madvise(2), Linux 6.1 */
};

/* ---- V8's heap ---- */

static uintptr_t heap, next; /* from where, and where the next chunk goes */
static bool settled;

static uintptr_t up_to(uintptr_t address, size_t multiple) { return (address + multiple - 1) & ~(uintptr_t)(multiple - 1); }

/* V8 reads, and never writes, its first chunk: that one comes before the first huge page. */
static void find_room(void) {
  void *found = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (found == MAP_FAILED) return;
  munmap(found, ROOM);
  heap = up_to((uintptr_t)found + CHUNK, HUGE);
  next = heap - CHUNK;
}

/* V8 wishes each chunk elsewhere, at random, and takes what it gets. */
__attribute__((visibility("default"))) void *mmap(void *wished, size_t size, int protection, int flags, int file, off_t from) {
  bool chunk = wished && file < 0 && size < LARGE && !settled && !(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE));
  if (chunk && !heap) find_room();
  uintptr_t at = chunk && heap ? next : (uintptr_t)wished;
  void *got = (void *)syscall(SYS_mmap, at, size, protection, flags, file, from);
  if (chunk && heap && (uintptr_t)got == next) next = up_to(next + size, CHUNK);
  return got;
}

__attribute__((visibility("default"))) void *mmap64(void *, size_t, int, int, int, off_t) __attribute__((alias("mmap")));

/* V8 asks for more than a chunk and gives back what its alignment leaves over: at the end of all, that is free again.
 * Elsewhere a hole would part the mapping in two, which no huge page spans. */
__attribute__((visibility("default"))) int munmap(void *at, size_t size) {
  uintptr_t from = (uintptr_t)at, end = up_to(from + size, PAGE);
  if (settled || from < heap || end > next) return (int)syscall(SYS_munmap, at, size);
  if (up_to(end, CHUNK) != next || from % CHUNK) return madvise(at, size, MADV_DONTNEED);
  next = from;
  return (int)syscall(SYS_munmap, at, size);
}

static void make_huge(void) {
  for (uintptr_t at = heap; heap && at < next; at += HUGE) madvise((void *)at, HUGE, COLLAPSE);
}

/* ---- the programs' files ---- */

typedef void (*on_pages)(char *from, size_t size, int protection);

static int each_segment(struct dl_phdr_info *object, size_t size, void *argument) {
  (void)size;
  if (strstr(object->dlpi_name, "vdso")) return 0;
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (int at = 0; at < object->dlpi_phnum; at++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[at];
    if (segment->p_type != PT_LOAD || segment->p_flags & PF_W) continue;
    uintptr_t from = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
    uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_filesz + page - 1) & ~(page - 1);
    (*(on_pages *)argument)((char *)from, end - from, segment->p_flags & PF_X ? PROT_READ | PROT_EXEC : PROT_READ);
  }
  return 0;
}

static void for_each_segment(on_pages what) { dl_iterate_phdr(each_segment, &what); }

/* They come back when they are touched. */
static void forget_pages(char *from, size_t size, int protection) {
  (void)protection;
  madvise(from, size, MADV_DONTNEED);
}

/* Unmap what the start needed of the programs' files. */
static void forget_program_pages(void) { for_each_segment(forget_pages); }

/* The kernel leaves it to faults to map a file's pages in a child, 16 at a time, unless the mapping holds a page of the process's
 * own (vma_needs_copy() in mm/memory.c). One is made here, by writing what is there already. */
static void copy_pages_at_forks(char *from, size_t size, int protection) {
  if (mprotect(from, size, protection | PROT_WRITE)) return;
  *(volatile char *)from = *(volatile char *)from;
  mprotect(from, size, protection);
}

/* ---- libc's heap ---- */

/* Take all that is free below its top, for ever. */
static void plug_holes(void) {
  char *top = malloc(BELOW_TOP), *end = sbrk(0);
  if (!top || top > end || end - top > LARGE) return; /* mapped apart */
  size_t plugged = 0;
  for (size_t size = BELOW_TOP; size >= 24; size -= 16)
    for (char *got; (got = malloc(size)) && plugged < PLUGS; plugged += size)
      if (got > top) {
        free(got);
        break;
      }
  free(top);
}

/* Once, when all is warm: from here on memory is cheap to fork, and goes where the kernel and libc put it. */
static void settle_pages(void) {
  for_each_segment(copy_pages_at_forks);
  make_huge();
  plug_holes();
  settled = true;
}

#endif
