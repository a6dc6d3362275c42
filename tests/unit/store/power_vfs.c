#include "tests/unit/store/power_vfs.h"
#include "tests/support/folder.h"
#include "tests/support/random.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 16
#define PATH_MAX_ 512
#define SECTOR    512

struct bytes {
    uint8_t *data;
    size_t count;
};

/* A write of `bytes` at `offset`, or, without bytes, a truncation to `offset`. */
struct change {
    int64_t offset;
    struct bytes bytes;
};

/* One name of the folder. */
struct image {
    char path[PATH_MAX_];
    bool exists, safe_name; /* its name is in the folder for good */
    struct bytes safe;
    struct change *changes; /* since the last sync */
    size_t change_count;
    bool has_ghost; /* deleted, and the folder was not synced since: it may be back … */
    struct bytes ghost;
};

struct power_file {
    sqlite3_file base;
    struct image *image; /* NULL: a temporary file, not looked at */
    sqlite3_file *real;
};

/* One disk for the process: a VFS has no better place for what it knows. */
static struct {
    sqlite3_vfs vfs, *real;
    sqlite3_io_methods methods;
    struct image images[FILES_MAX];
    size_t image_count;
    uint64_t operations, cut_at;
    struct test_random random;
    int checkpoint_pages;
} disk;

static void *must(void *memory) {
    if (!memory)
        abort();
    return memory;
}

static struct bytes copy(const void *data, size_t count) {
    struct bytes bytes = {must(malloc(count + 1)), count};
    if (count > 0)
        memcpy(bytes.data, data, count);
    return bytes;
}

static void drop(struct bytes *bytes) {
    free(bytes->data);
    *bytes = (struct bytes){0};
}

static void resize(struct bytes *bytes, size_t count) {
    bytes->data = must(realloc(bytes->data, count + 1));
    if (count > bytes->count)
        memset(bytes->data + bytes->count, 0, count - bytes->count);
    bytes->count = count;
}

static void put(struct bytes *to, size_t offset, const uint8_t *data, size_t count) {
    if (offset + count > to->count)
        resize(to, offset + count);
    memcpy(to->data + offset, data, count);
}

static uint64_t draw(uint64_t below) {
    return test_random_below(&disk.random, below);
}

/* False: the power went off with or before this operation. */
static bool power(void) {
    return ++disk.operations <= disk.cut_at;
}

static struct image *image_of(const char *path) {
    for (size_t i = 0; i < disk.image_count; i++)
        if (strcmp(disk.images[i].path, path) == 0)
            return &disk.images[i];
    assert(disk.image_count < FILES_MAX && strlen(path) < PATH_MAX_);
    struct image *image = &disk.images[disk.image_count++];
    *image = (struct image){0};
    memcpy(image->path, path, strlen(path) + 1);
    return image;
}

static void add_change(struct image *image, struct change change) {
    if ((image->change_count & (image->change_count - 1)) == 0)
        image->changes = must(
            realloc(image->changes, (image->change_count ? 2 * image->change_count : 1) * sizeof change));
    image->changes[image->change_count++] = change;
}

static void drop_changes(struct image *image) {
    for (size_t i = 0; i < image->change_count; i++)
        drop(&image->changes[i].bytes);
    free(image->changes);
    image->changes = NULL;
    image->change_count = 0;
}

static void apply(struct bytes *to, const struct change *change) {
    if (!change->bytes.data)
        resize(to, (size_t)change->offset);
    else
        put(to, (size_t)change->offset, change->bytes.data, change->bytes.count);
}

/* Each sector of it by a coin. */
static void apply_some(struct bytes *to, const struct change *change) {
    if (!change->bytes.data) {
        if (draw(2))
            apply(to, change);
        return;
    }
    size_t end = (size_t)change->offset + change->bytes.count;
    for (size_t at = (size_t)change->offset; at < end;) {
        size_t next = (at / SECTOR + 1) * SECTOR < end ? (at / SECTOR + 1) * SECTOR : end;
        if (draw(2))
            put(to, at, change->bytes.data + (at - (size_t)change->offset), next - at);
        at = next;
    }
}

/* ---- the VFS ---- */

static sqlite3_file *real_of(sqlite3_file *file) {
    return ((struct power_file *)file)->real;
}

static int power_close(sqlite3_file *file) {
    sqlite3_file *real = real_of(file);
    int failed = real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
    free(real);
    return failed;
}

static int power_read(sqlite3_file *file, void *data, int count, sqlite3_int64 offset) {
    return real_of(file)->pMethods->xRead(real_of(file), data, count, offset);
}

static int power_write(sqlite3_file *file, const void *data, int count, sqlite3_int64 offset) {
    struct image *image = ((struct power_file *)file)->image;
    bool on = !image || power();
    if (image &&
        disk.operations - 1 <= disk.cut_at) /* the one during which it went off may be there in part */
        add_change(image, (struct change){offset, copy(data, (size_t)count)});
    if (!on)
        return SQLITE_IOERR_WRITE;
    return real_of(file)->pMethods->xWrite(real_of(file), data, count, offset);
}

static int power_truncate(sqlite3_file *file, sqlite3_int64 size) {
    struct image *image = ((struct power_file *)file)->image;
    if (image && !power())
        return SQLITE_IOERR_TRUNCATE;
    if (image)
        add_change(image, (struct change){.offset = size});
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static void forget_ghosts(void) {
    for (size_t i = 0; i < disk.image_count; i++) {
        drop(&disk.images[i].ghost);
        disk.images[i].has_ghost = false;
        disk.images[i].safe_name = disk.images[i].exists;
    }
}

/* SQLite syncs the folder with the first sync of a journal or a write-ahead log. */
static int power_sync(sqlite3_file *file, int flags) {
    (void)flags;
    struct image *image = ((struct power_file *)file)->image;
    if (!image)
        return SQLITE_OK;
    if (!power())
        return SQLITE_IOERR_FSYNC;
    for (size_t i = 0; i < image->change_count; i++)
        apply(&image->safe, &image->changes[i]);
    drop_changes(image);
    if (strstr(image->path, "-wal") || strstr(image->path, "-journal"))
        forget_ghosts();
    return SQLITE_OK;
}

static int power_size(sqlite3_file *file, sqlite3_int64 *size) {
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}
static int power_lock(sqlite3_file *file, int kind) {
    return real_of(file)->pMethods->xLock(real_of(file), kind);
}
static int power_unlock(sqlite3_file *file, int kind) {
    return real_of(file)->pMethods->xUnlock(real_of(file), kind);
}
static int power_check_lock(sqlite3_file *file, int *ret) {
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret);
}
static int power_control(sqlite3_file *file, int operation, void *argument) {
    if (operation == SQLITE_FCNTL_SIZE_HINT)
        return SQLITE_NOTFOUND; /* it would make the file longer behind our back */
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}
static int power_sector(sqlite3_file *file) {
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}
static int power_device(sqlite3_file *file) {
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}
static int power_shm_map(sqlite3_file *file, int page, int bytes, int extend, void volatile **ret) {
    return real_of(file)->pMethods->xShmMap(real_of(file), page, bytes, extend, ret);
}
static int power_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}
static void power_shm_barrier(sqlite3_file *file) {
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}
static int power_shm_unmap(sqlite3_file *file, int remove) {
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static int power_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags) {
    (void)vfs;
    struct power_file *opened = (struct power_file *)file;
    *opened = (struct power_file){.real = must(calloc(1, (size_t)disk.real->szOsFile))};
    int failed = disk.real->xOpen(disk.real, name, opened->real, flags, ret_flags);
    if (failed) {
        free(opened->real);
        return failed;
    }
    opened->base.pMethods = &disk.methods;
    if (name) {
        opened->image = image_of(name);
        opened->image->exists = true;
    }
    return SQLITE_OK;
}

static int power_delete(sqlite3_vfs *vfs, const char *name, int sync_folder) {
    (void)vfs;
    struct image *image = image_of(name);
    if (!power())
        return SQLITE_IOERR_DELETE;
    drop_changes(image);
    drop(&image->ghost);
    image->has_ghost = image->safe_name;
    image->ghost = image->safe;
    image->safe = (struct bytes){0};
    image->exists = false;
    if (sync_folder)
        forget_ghosts();
    return disk.real->xDelete(disk.real, name, 0);
}

static int set_checkpoint(sqlite3 *db, char **error, const struct sqlite3_api_routines *api) {
    (void)error;
    (void)api;
    return sqlite3_wal_autocheckpoint(db, disk.checkpoint_pages);
}

void power_vfs_install(int checkpoint_pages) {
    disk.checkpoint_pages = checkpoint_pages;
    disk.real = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.real;
    disk.vfs.zName = "power";
    disk.vfs.pNext = NULL;
    disk.vfs.szOsFile = sizeof(struct power_file);
    disk.vfs.xOpen = power_open;
    disk.vfs.xDelete = power_delete;
    disk.methods = (sqlite3_io_methods){2,
                                        power_close,
                                        power_read,
                                        power_write,
                                        power_truncate,
                                        power_sync,
                                        power_size,
                                        power_lock,
                                        power_unlock,
                                        power_check_lock,
                                        power_control,
                                        power_sector,
                                        power_device,
                                        power_shm_map,
                                        power_shm_lock,
                                        power_shm_barrier,
                                        power_shm_unmap,
                                        NULL,
                                        NULL};
    if (sqlite3_vfs_register(&disk.vfs, 1) != SQLITE_OK ||
        sqlite3_auto_extension((void (*)(void))set_checkpoint) != SQLITE_OK)
        abort();
}

void power_vfs_start(uint64_t cut_at) {
    for (size_t i = 0; i < disk.image_count; i++) {
        drop_changes(&disk.images[i]);
        drop(&disk.images[i].safe);
        drop(&disk.images[i].ghost);
    }
    disk.image_count = 0;
    disk.operations = 0;
    disk.cut_at = cut_at;
}

uint64_t power_vfs_operations(void) {
    return disk.operations;
}

bool power_vfs_is_cut(void) {
    return disk.operations > disk.cut_at;
}

static void lose(struct image *image, enum power_loss loss) {
    bool old_name = image->has_ghost && (!image->exists || loss != POWER_LOSE_NOTHING) && draw(2);
    bool no_name = !image->safe_name && loss != POWER_LOSE_NOTHING && draw(2);
    for (size_t i = 0; i < image->change_count && loss != POWER_LOSE_ALL; i++)
        if (loss == POWER_LOSE_NOTHING)
            apply(&image->safe, &image->changes[i]);
        else
            apply_some(&image->safe, &image->changes[i]);
    drop_changes(image);
    if (old_name) {
        test_file_write(image->path, image->ghost.data, image->ghost.count);
        drop(&image->safe);
        image->safe = image->ghost;
        image->ghost = (struct bytes){0};
        image->exists = true;
    } else if (!image->exists || no_name) {
        (void)unlink(image->path);
        drop(&image->safe);
        image->exists = false;
    } else {
        test_file_write(image->path, image->safe.data, image->safe.count);
    }
    drop(&image->ghost);
    image->has_ghost = false;
    image->safe_name = image->exists;
}

void power_vfs_lose(enum power_loss loss, uint64_t seed) {
    char shm[PATH_MAX_ + 8];
    disk.random.state = seed;
    for (size_t i = 0; i < disk.image_count; i++) {
        lose(&disk.images[i], loss);
        (void)snprintf(shm, sizeof shm, "%s-shm", disk.images[i].path);
        (void)unlink(shm); /* memory */
    }
    disk.cut_at = UINT64_MAX;
}
