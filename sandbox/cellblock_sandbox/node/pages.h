/* Where a zygote's memory lies; see pages.c. */
#ifndef CELLBLOCK_PAGES_H
#define CELLBLOCK_PAGES_H

/* Unmap what the start needed of the programs' files. From here on what is touched is mapped, page by page. */
void forget_program_pages(void);

/* Once, when all is warm: from here on memory is as the kernel and libc have it, and cheap to fork. */
void settle_pages(void);

#endif
