#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../sys/mount.h"
#include "../sys/remove_tree.h"
#include "../sys/syscalls.h"
#include "../sys/unique_fd.h"
#include "list.h"
#include "lookup.h"
#include "protocol.h"
#include "resolve.h"
#include "storage.h"
#include "unpack.h"
#include "usage.h"

namespace vaina {
namespace {

constexpr size_t kMaxLayers = 512;
constexpr uint32_t kMaxRead = kMaxFrame - kFrameHeader;
constexpr uint32_t kContentPiece = 256u << 10;
constexpr int kPipeSize = 1 << 20;
constexpr int kUnpackPriority = 10;  // nice

Status malformed() {
  return failed_with(EPROTO, "frame");
}

class Server {
 public:
  explicit Server(int out) : out_(out) {}

  // False when nobody reads the replies.
  bool handle(const Frame& frame);

 private:
  Status set_root(Cursor body);
  Status begin(Cursor body);
  Status remove(Cursor body);
  Status usage(Cursor body, Usage* usage);
  Status read_file(Cursor body, uint32_t* size);
  Status send(const Frame& frame);
  Status mount(Cursor body);
  Status unmount(Cursor body);
  Status unpack(const Frame& frame);
  Unpack* current() { return unpacking_ ? reinterpret_cast<Unpack*>(memory_) : nullptr; }
  void discard();
  bool answer(const Frame& frame, const Status& status, const void* body = nullptr, uint32_t size = 0) {
    return status.ok() ? reply(out_, frame.request, frame.tag, body, size)
                       : reply_error(out_, frame.request, frame.tag, status);
  }

  int out_;
  UniqueFd root_;
  bool unpacking_ = false;
  bool failed_ = false;
  // There is no operator new in a program without the C++ library.
  alignas(Unpack) uint8_t memory_[sizeof(Unpack)];
  alignas(16) uint8_t content_[kMaxRead];
};

struct Here {
  void* at;
};

}  // namespace
}  // namespace vaina

inline void* operator new(size_t, vaina::Here here) noexcept {
  return here.at;
}

namespace vaina {
namespace {

void Server::discard() {
  if (unpacking_) current()->~Unpack();
  unpacking_ = false;
}

// Everything happens below this directory: beside resolving by descriptors, the process locks itself in.
Status Server::set_root(Cursor body) {
  const char* path = body.text();
  if (!body.at_end() || root_.ok()) return malformed();
  UniqueFd root(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.ok()) return failed("open", path);
  if (fchdir(root.get()) != 0 || chroot(".") != 0) return failed("chroot", path);
  root_ = take(root);
  return fine();
}

Status Server::begin(Cursor body) {
  uint32_t flags = body.number<uint32_t>();
  const char* path = body.text();
  if (!body.at_end() || !is_plain_path(path) || !root_.ok()) return malformed();
  discard();
  failed_ = false;
  UniqueFd fd(open_plain(root_.get(), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (!fd.ok()) return failed("open", path);
  // What the program does beside unpacking goes first; a refusal only costs that.
  setpriority(PRIO_PROCESS, 0, kUnpackPriority);
  new (Here{memory_}) Unpack(take(fd), flags);
  unpacking_ = true;
  return fine();
}

Status Server::remove(Cursor body) {
  const char* path = body.text();
  if (!body.at_end() || !is_plain_path(path) || !root_.ok()) return malformed();
  size_t size;
  const char* name = last_component(path, &size);
  char parent[4096] = ".";
  if (size >= sizeof parent) return failed_with(ENAMETOOLONG, "open", path);
  if (size > 0) {
    memcpy(parent, path, size);
    parent[size] = 0;
  }
  UniqueFd fd(open_plain(root_.get(), parent, O_PATH | O_DIRECTORY));
  if (!fd.ok()) return errno == ENOENT ? fine() : failed("open", path);
  Status status = remove_tree_at(fd.get(), name);
  if (!status.ok()) status.path = path;
  return status;
}

Status Server::usage(Cursor body, Usage* usage) {
  const char* path = body.text();
  if (!body.at_end() || !is_plain_path(path) || !root_.ok()) return malformed();
  size_t size;
  const char* name = last_component(path, &size);
  char parent[4096] = ".";
  if (size >= sizeof parent) return failed_with(ENAMETOOLONG, "open", path);
  if (size > 0) {
    memcpy(parent, path, size);
    parent[size] = 0;
  }
  UniqueFd fd(open_plain(root_.get(), parent, O_PATH | O_DIRECTORY));
  if (!fd.ok()) return failed("open", path);
  Status status = count_usage(fd.get(), name, usage);
  if (!status.ok()) status.path = path;
  return status;
}

Status Server::read_file(Cursor body, uint32_t* size) {
  uint32_t limit = body.number<uint32_t>();
  uint32_t count = body.number<uint32_t>();
  if (count > kMaxLayers || limit > kMaxRead || !root_.ok()) return malformed();
  UniqueFd layers[kMaxLayers];
  int fds[kMaxLayers];
  for (uint32_t i = 0; i < count; i++) {
    const char* path = body.text();
    if (!body.ok() || !is_plain_path(path)) return malformed();
    layers[i].reset(open_plain(root_.get(), path, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    if (!layers[i].ok()) return failed("open", path);
    fds[i] = layers[i].get();
  }
  const char* path = body.text();
  if (!body.at_end()) return malformed();
  UniqueFd file;
  Status status = open_in_layers(fds, count, path, &file);
  if (!status.ok()) {
    status.path = path;
    return status;
  }
  struct stat about;
  if (fstat(file.get(), &about) != 0) return failed("stat", path);
  if (about.st_size > static_cast<off_t>(limit)) return failed_with(EFBIG, "read", path);
  *size = 0;
  while (*size < limit) {
    ssize_t got = read(file.get(), content_ + *size, limit - *size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", path);
    if (got == 0) break;
    *size += static_cast<uint32_t>(got);
  }
  return fine();
}

// What is too long for one frame is answered in pieces, and then by an empty answer.
Status Server::send(const Frame& frame) {
  Cursor body(frame.body, frame.size);
  const char* tree = body.text();
  const char* path = body.text();
  // `.` is the tree itself.
  if (!body.at_end() || !is_plain_path(tree) || !root_.ok()) return malformed();
  if (strcmp(path, ".") != 0 && !is_plain_path(path)) return malformed();
  UniqueFd fd(open_plain(root_.get(), tree, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  if (!fd.ok()) return failed("open", tree);
  const Pieces pieces = {out_, frame.request, frame.tag};
  return frame.request == Request::kList ? list_directory(fd.get(), path, content_, sizeof content_, pieces)
                                         : send_content(fd.get(), path, content_, kContentPiece, pieces);
}

// Paths are relative to the current directory: the store has no /proc to give them short names.
Status mount_overlay(const char* const* lower, uint32_t count, const char* target, int at) {
  UniqueFd context(sys_fsopen("overlay", kFsopenCloexec));
  if (!context.ok()) return failed("fsopen");
  bool one_by_one = true;
  for (uint32_t i = 0; i < count && one_by_one; i++)
    one_by_one = sys_fsconfig(context.get(), kFsconfigSetString, "lowerdir+", lower[i], 0) == 0;
  constexpr unsigned kAttributes = kMountAttrReadonly | kMountAttrNodev | kMountAttrNosuid;
  if (one_by_one) {
    if (sys_fsconfig(context.get(), kFsconfigCreate, nullptr, nullptr, 0) != 0) return failed("mount");
    UniqueFd mount(sys_fsmount(context.get(), kFsmountCloexec, kAttributes));
    return mount.ok() ? attach(mount.get(), at) : failed("fsmount");
  }
  // Before Linux 6.8 all of them have to fit in one page.
  char options[4096] = "lowerdir=";
  for (uint32_t i = 0; i < count; i++) {
    if (strlen(options) + strlen(lower[i]) + 2 > sizeof options) return failed_with(E2BIG, "mount");
    if (i > 0) strcat(options, ":");
    strcat(options, lower[i]);
  }
  if (::mount("overlay", target, "overlay", MS_RDONLY | MS_NODEV | MS_NOSUID, options) == 0) return fine();
  return failed("mount");
}

// The trees on top of each other, read-only, at a directory of the store. The host sees it: this process
// shares its mounts.
Status Server::mount(Cursor body) {
  const char* target = body.text();
  uint32_t count = body.number<uint32_t>();
  if (!body.ok() || !is_plain_path(target) || !root_.ok() || count > kMaxLayers) return malformed();
  UniqueFd at(open_plain(root_.get(), target, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  if (!at.ok()) return failed("open", target);
  if (fchdir(root_.get()) != 0) return failed("fchdir", target);
  static const char* lower[kMaxLayers];
  for (uint32_t i = 0; i < count; i++) {
    lower[i] = body.text();
    if (!body.ok() || !is_plain_path(lower[i])) return malformed();
  }
  if (!body.at_end()) return malformed();
  Status status = mount_overlay(lower, count, target, at.get());
  if (!status.ok()) status.path = target;
  return status;
}

Status Server::unmount(Cursor body) {
  const char* target = body.text();
  if (!body.at_end() || !is_plain_path(target) || !root_.ok()) return malformed();
  if (fchdir(root_.get()) != 0) return failed("fchdir", target);
  // Not mounted any more is as good.
  if (umount2(target, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT) return fine();
  return failed("umount", target);
}

Status Server::unpack(const Frame& frame) {
  Unpack* unpack = current();
  if (unpack == nullptr) return malformed();
  Cursor body(frame.body, frame.size);
  switch (frame.request) {
    case Request::kEntry:
      return unpack->entry(body);
    case Request::kFile:
      return unpack->file(body);
    case Request::kData:
      return unpack->data(body);
    case Request::kEnd:
      return unpack->end(body);
    case Request::kTimes:
      return unpack->times(body);
    default:
      return malformed();
  }
}

bool Server::handle(const Frame& frame) {
  Cursor body(frame.body, frame.size);
  switch (frame.request) {
    case Request::kRoot:
      return answer(frame, set_root(body));
    case Request::kBegin:
      return answer(frame, begin(body));
    case Request::kFinish: {
      Status status = failed_      ? failed_with(ECANCELED, "finish")
                      : unpacking_ ? current()->finish()
                                   : malformed();
      discard();
      return answer(frame, status);
    }
    case Request::kRemove:
      return answer(frame, remove(body));
    case Request::kUsage: {
      Usage counted;
      Status status = usage(body, &counted);
      uint64_t numbers[] = {counted.size, counted.blocks, counted.files, counted.mark};
      return answer(frame, status, numbers, sizeof numbers);
    }
    case Request::kRead: {
      uint32_t size = 0;
      Status status = read_file(body, &size);
      return answer(frame, status, content_, size);
    }
    case Request::kMount:
      return answer(frame, mount(body));
    case Request::kUnmount:
      return answer(frame, unmount(body));
    case Request::kList:
    case Request::kContent:
      return answer(frame, send(frame));
    default: {
      // Entries are not answered: they come as fast as the pipe takes them. The first failure is told at
      // once, what follows it is skipped.
      if (failed_) return true;
      Status status = unpack(frame);
      if (status.ok()) return true;
      failed_ = true;
      return reply_error(out_, frame.request, frame.tag, status);
    }
  }
}

}  // namespace

int serve_storage(int in, int out) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  umask(0);
  // Fewer and larger reads; a refusal (the user's share of pipe memory is used up) only costs speed.
  fcntl(in, F_SETPIPE_SZ, kPipeSize);
  // Too large for a stack, and there is only one of each.
  alignas(Input) static uint8_t input_memory[sizeof(Input)];
  alignas(Server) static uint8_t server_memory[sizeof(Server)];
  auto* input = new (Here{input_memory}) Input(in);
  auto* server = new (Here{server_memory}) Server(out);
  Frame frame;
  int error;
  while (input->next(&frame, &error)) {
    if (!server->handle(frame)) return 1;
  }
  return error == 0 ? 0 : 1;
}

}  // namespace vaina
