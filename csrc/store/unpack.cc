#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../sys/remove_tree.h"
#include "resolve.h"

namespace vaina {
namespace {

constexpr mode_t kRootMode = 0555;  // of the unpacked root, as podman has it
constexpr uint64_t kWriteBackFrom = 256u << 10;

bool is_whiteout(const struct stat& status) {
  return S_ISCHR(status.st_mode) && status.st_rdev == 0;
}

Meta read_meta(Cursor* body) {
  Meta meta{0, 0, 0, {}, 0, Cursor(nullptr, 0)};
  meta.mode = body->number<uint32_t>() & 07777;
  meta.uid = body->number<uint32_t>();
  meta.gid = body->number<uint32_t>();
  for (struct timespec& time : meta.times) {
    time.tv_sec = body->number<int64_t>();
    time.tv_nsec = body->number<uint32_t>();
  }
  meta.xattr_count = body->number<uint16_t>();
  meta.xattrs = *body;
  return meta;
}

Status malformed() {
  return failed_with(EPROTO, "frame");
}

}  // namespace

Status Unpack::place(const char* path, Missing missing, Place* out) {
  size_t size;
  out->name = last_component(path, &size);
  if (size == 0) {
    out->parent = root_.get();
    return fine();
  }
  if (parent_.ok() && size == parent_size_ && memcmp(path, parent_path_, size) == 0) {
    out->parent = parent_.get();
    return fine();
  }
  forget_parent();
  if (size >= sizeof parent_path_) return failed_with(ENAMETOOLONG, "open", path);
  memcpy(parent_path_, path, size);
  parent_path_[size] = 0;
  UniqueFd parent(open_in_root(root_.get(), parent_path_, O_PATH | O_DIRECTORY));
  if (!parent.ok()) {
    if (errno != ENOENT && errno != ENOTDIR) return failed("open", path);
    Status status = make_parents(path, size, missing, &parent);
    if (!status.ok()) return status;
    memcpy(parent_path_, path, size);
    parent_path_[size] = 0;
  }
  parent_ = take(parent);
  parent_size_ = size;
  out->parent = parent_.get();
  return fine();
}

// parent_path_ holds the path to make. The longest part of it that exists is searched by halves, so that a
// deep path costs no more than what has to be made.
Status Unpack::make_parents(const char* path, size_t size, Missing missing, UniqueFd* out) {
  size_t exists = 0;
  size_t lacks = size;
  UniqueFd at;
  while (exists < lacks) {
    size_t middle = exists + (lacks - exists) / 2;
    while (middle > exists && path[middle] != '/') middle--;
    if (middle == exists) {
      middle = exists + (lacks - exists) / 2 + 1;
      while (middle < lacks && path[middle] != '/') middle++;
      if (middle == lacks) break;
    }
    parent_path_[middle] = 0;
    UniqueFd fd(open_in_root(root_.get(), parent_path_, O_PATH | O_DIRECTORY));
    int error = errno;
    parent_path_[middle] = '/';
    if (fd.ok()) {
      exists = middle;
      at = take(fd);
    } else if (error == ENOENT || error == ENOTDIR) {
      lacks = middle;
    } else {
      return failed_with(error, "open", path);
    }
  }
  for (size_t begin = exists == 0 ? 0 : exists + 1; begin < size;) {
    size_t end = begin;
    while (end < size && path[end] != '/') end++;
    int directory = at.ok() ? at.get() : root_.get();
    const char* name = parent_path_ + begin;
    parent_path_[end] = 0;
    bool replaced = false;
    if (mkdirat(directory, name, 0755) != 0) {
      struct stat status;
      if (errno != EEXIST || fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return failed("mkdir", path);
      // A file, or a link that leads nowhere; only a whiteout gives way.
      if (!is_whiteout(status)) return failed_with(S_ISLNK(status.st_mode) ? ENOENT : ENOTDIR, "mkdir", path);
      if (missing == Missing::kMakeUnlessDeleted) return failed_with(ENOTDIR, "deleted", path);
      if (unlinkat(directory, name, 0) != 0 || mkdirat(directory, name, 0755) != 0)
        return failed("mkdir", path);
      replaced = true;
    }
    UniqueFd made(openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!made.ok()) return failed("open", path);
    // It may have inherited a group and its bit.
    if (fchown(made.get(), 0, 0) != 0 || fchmod(made.get(), 0755) != 0) return failed("chmod", path);
    if (replaced && fsetxattr(made.get(), opaque_name(), "y", 1, 0) != 0) return failed("setxattr", path);
    parent_path_[end] = '/';
    at = take(made);
    begin = end + 1;
  }
  if (!at.ok()) return failed_with(ENOENT, "open", path);
  *out = take(at);
  return fine();
}

// Makes room for an entry.
Status Unpack::displace(const Place& place, bool keep_directory, bool* was_whiteout) {
  struct stat status;
  if (fstatat(place.parent, place.name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? fine() : failed("stat", place.name);
  }
  if (S_ISDIR(status.st_mode) && keep_directory) return fine();
  *was_whiteout = is_whiteout(status);
  if (S_ISDIR(status.st_mode)) {
    Status result = remove_tree_at(place.parent, place.name);
    if (!result.ok()) return result;
  } else if (unlinkat(place.parent, place.name, 0) != 0) {
    return failed("unlink", place.name);
  }
  // What was removed may have been on the way to the remembered parent: resolve anew, but not while `place`
  // is in use.
  parent_size_ = 0;
  return fine();
}

Status Unpack::directory(const char* path, const Meta& meta) {
  Place place;
  Status status = this->place(path, Missing::kMake, &place);
  if (!status.ok()) return status;
  bool was_whiteout = false;
  if (mkdirat(place.parent, place.name, 0700) != 0) {
    if (errno != EEXIST) return failed("mkdir", path);
    status = displace(place, true, &was_whiteout);
    if (!status.ok()) return status;
    if (mkdirat(place.parent, place.name, 0700) != 0 && errno != EEXIST) return failed("mkdir", path);
  }
  UniqueFd fd(openat(place.parent, place.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.ok()) return failed("open", path);
  // Deleted and made again in the same layer: what is below must not show through.
  if (was_whiteout && fsetxattr(fd.get(), opaque_name(), "y", 1, 0) != 0) return failed("setxattr", path);
  return apply_to_fd(fd.get(), path, meta);
}

Status Unpack::symlink(const char* path, const char* target, const Meta& meta) {
  Place place;
  Status status = this->place(path, Missing::kMake, &place);
  if (!status.ok()) return status;
  if (symlinkat(target, place.parent, place.name) != 0) {
    if (errno != EEXIST) return failed("symlink", path);
    bool was_whiteout;
    status = displace(place, false, &was_whiteout);
    if (!status.ok()) return status;
    if (symlinkat(target, place.parent, place.name) != 0) return failed("symlink", path);
  }
  return apply_to_name(place, path, S_IFLNK, meta);
}

Status Unpack::hard_link(const char* path, const char* target, const Meta& meta) {
  Place place;
  Status status = this->place(path, Missing::kMake, &place);
  if (!status.ok()) return status;
  size_t size;
  const char* name = last_component(target, &size);
  UniqueFd parent;
  if (size > 0) {
    char text[4096];
    if (size >= sizeof text) return failed_with(ENAMETOOLONG, "link", path);
    memcpy(text, target, size);
    text[size] = 0;
    parent.reset(open_in_root(root_.get(), text, O_PATH | O_DIRECTORY));
    if (!parent.ok()) return failed("link", path);
  }
  int from = parent.ok() ? parent.get() : root_.get();
  struct stat old_status, new_status;
  if (fstatat(from, name, &old_status, AT_SYMLINK_NOFOLLOW) != 0) return failed("link", path);
  // Another name of a whiteout would be a whiteout that the layer was not allowed to make.
  if (is_whiteout(old_status)) return failed_with(ENOENT, "link", path);
  if (S_ISDIR(old_status.st_mode)) return failed_with(EISDIR, "link", path);
  bool same = fstatat(place.parent, place.name, &new_status, AT_SYMLINK_NOFOLLOW) == 0 &&
              new_status.st_dev == old_status.st_dev && new_status.st_ino == old_status.st_ino;
  if (!same && linkat(from, name, place.parent, place.name, 0) != 0) {
    if (errno != EEXIST) return failed("link", path);
    bool was_whiteout;
    status = displace(place, false, &was_whiteout);
    if (!status.ok()) return status;
    if (linkat(from, name, place.parent, place.name, 0) != 0) return failed("link", path);
  }
  return apply_to_name(place, path, old_status.st_mode & S_IFMT, meta);
}

Status Unpack::node(const char* path, mode_t type, uint32_t major, uint32_t minor, const Meta& meta) {
  bool device = type != S_IFIFO;
  // Only `.wh.` names make whiteouts: a layer that brought the node itself would steer the overlay.
  if (type == S_IFCHR && major == 0 && minor == 0) return failed_with(EPERM, "whiteout device", path);
  Place place;
  Status status = this->place(path, Missing::kMake, &place);
  if (!status.ok()) return status;
  bool was_whiteout = false;
  status = displace(place, false, &was_whiteout);
  if (!status.ok()) return status;
  // No user namespace may make device nodes.
  if (device && rootless()) return fine();
  dev_t number = device ? makedev(major, minor) : 0;
  if (mknodat(place.parent, place.name, type | 0600, number) != 0) return failed("mknod", path);
  return apply_to_name(place, path, type, meta);
}

Status Unpack::whiteout(const char* path, const Meta& meta) {
  Place place;
  Status status = this->place(path, Missing::kMakeUnlessDeleted, &place);
  if (!status.ok()) {
    // The directory is deleted as a whole by this layer.
    return status.error == ENOTDIR && strcmp(status.what, "deleted") == 0 ? fine() : status;
  }
  if (mknodat(place.parent, place.name, S_IFCHR, 0) == 0) {
    if (fchownat(place.parent, place.name, meta.uid, meta.gid, AT_SYMLINK_NOFOLLOW) == 0 ||
        may_keep_owner()) {
      return fine();
    }
    return failed("chown", path);
  }
  if (errno != EEXIST) return failed("mknod", path);
  // It hides what the layers below have; what this layer has stays.
  UniqueFd fd(openat(place.parent, place.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.ok()) return errno == ENOTDIR || errno == ELOOP ? fine() : failed("open", path);
  return fsetxattr(fd.get(), opaque_name(), "y", 1, 0) == 0 ? fine() : failed("setxattr", path);
}

// path/x, of which x does not matter: the parent becomes opaque.
Status Unpack::opaque(const char* path) {
  Place place;
  Status status = this->place(path, Missing::kMakeUnlessDeleted, &place);
  if (!status.ok()) return status.error == ENOTDIR && strcmp(status.what, "deleted") == 0 ? fine() : status;
  UniqueFd fd(openat(place.parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return failed("open", path);
  return fsetxattr(fd.get(), opaque_name(), "y", 1, 0) == 0 ? fine() : failed("setxattr", path);
}

Status Unpack::entry(Cursor body) {
  auto type = static_cast<EntryType>(body.number<uint8_t>());
  uint32_t major = body.number<uint32_t>();
  uint32_t minor = body.number<uint32_t>();
  const char* path = body.text();
  const char* target = body.text();
  Meta meta = read_meta(&body);
  if (!body.ok() || !is_plain_path(path)) return malformed();
  if (file_.ok()) return malformed();
  switch (type) {
    case EntryType::kDirectory:
      return directory(path, meta);
    case EntryType::kSymlink:
      return symlink(path, target, meta);
    case EntryType::kHardLink:
      return is_plain_path(target) ? hard_link(path, target, meta) : malformed();
    case EntryType::kCharDevice:
      return node(path, S_IFCHR, major, minor, meta);
    case EntryType::kBlockDevice:
      return node(path, S_IFBLK, major, minor, meta);
    case EntryType::kFifo:
      return node(path, S_IFIFO, 0, 0, meta);
    case EntryType::kWhiteout:
      return whiteout(path, meta);
    case EntryType::kOpaque:
      return opaque(path);
    case EntryType::kFile:
    case EntryType::kSocket:
      break;
  }
  return malformed();
}

Status Unpack::file(Cursor body) {
  const char* path = body.text();
  if (!body.at_end() || !is_plain_path(path) || strlen(path) >= sizeof path_ || file_.ok())
    return malformed();
  strcpy(path_, path);
  Place place;
  Status status = this->place(path, Missing::kMake, &place);
  if (!status.ok()) return status;
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  file_.reset(openat(place.parent, place.name, kFlags, 0600));
  if (!file_.ok() && errno == EEXIST) {
    bool was_whiteout;
    status = displace(place, false, &was_whiteout);
    if (!status.ok()) return status;
    file_.reset(openat(place.parent, place.name, kFlags, 0600));
  }
  written_ = 0;
  return file_.ok() ? fine() : failed("open", path_);
}

Status Unpack::data(Cursor body) {
  uint64_t offset = body.number<uint64_t>();
  if (!body.ok() || !file_.ok()) return malformed();
  size_t left = body.left();
  const uint8_t* at = body.bytes(left);
  while (left > 0) {
    ssize_t count = pwrite(file_.get(), at, left, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("write", path_);
    at += count;
    left -= static_cast<size_t>(count);
    offset += static_cast<uint64_t>(count);
  }
  if (offset > written_) written_ = offset;
  return fine();
}

Status Unpack::end(Cursor body) {
  uint64_t size = body.number<uint64_t>();
  Meta meta = read_meta(&body);
  if (!body.ok() || !file_.ok()) return malformed();
  UniqueFd file(take(file_));
  if (size != written_ && ftruncate(file.get(), static_cast<off_t>(size)) != 0)
    return failed("truncate", path_);
  // So that the disk is not idle until all is synced at the end. Whether it begins now matters to nobody.
  if (written_ >= kWriteBackFrom) sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
  return apply_to_fd(file.get(), path_, meta);
}

Status Unpack::times(Cursor body) {
  const char* path = body.text();
  Meta meta = read_meta(&body);
  if (!body.ok() || !is_plain_path(path) || file_.ok()) return malformed();
  Place place;
  size_t size;
  place.name = last_component(path, &size);
  if (size >= sizeof path_) return malformed();
  memcpy(path_, path, size);
  path_[size] = 0;
  UniqueFd parent;
  if (size > 0) parent.reset(open_in_root(root_.get(), path_, O_PATH | O_DIRECTORY));
  UniqueFd fd;
  if (size == 0 || parent.ok()) {
    fd.reset(openat(size == 0 ? root_.get() : parent.get(), place.name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  }
  if (!fd.ok()) {
    // A later entry took its place.
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? fine() : failed("open", path);
  }
  Status status = set_xattrs(fd.get(), nullptr, path, meta);
  if (!status.ok()) return status;
  return futimens(fd.get(), meta.times) == 0 ? fine() : failed("utimens", path);
}

Status Unpack::finish() {
  if (file_.ok()) return malformed();
  forget_parent();
  return fchmod(root_.get(), kRootMode) == 0 ? fine() : failed("chmod");
}

}  // namespace vaina
