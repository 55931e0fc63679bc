#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../sys/status.h"

namespace vaina {

// docs/storage.md explains each of them.
enum class Request : uint16_t {
  kRoot = 1,
  kBegin = 2,
  kEntry = 3,
  kFile = 4,
  kData = 5,
  kEnd = 6,
  kTimes = 7,
  kFinish = 8,
  kRemove = 9,
  kUsage = 10,
  kRead = 11,
  kList = 12,
  kContent = 13,
  kMount = 14,
  kUnmount = 15,
};

enum class EntryType : uint8_t {
  kDirectory = 1,
  kSymlink = 2,
  kHardLink = 3,
  kCharDevice = 4,
  kBlockDevice = 5,
  kFifo = 6,
  kWhiteout = 7,
  kOpaque = 8,
  kFile = 9,     // only in what `list` tells
  kSocket = 10,  // likewise
};

// Of `begin`.
constexpr uint32_t kRootless = 1;  // overlay's marks are user.overlay.*, device nodes are left out
constexpr uint32_t kSingleId = 2;  // there is one id: what cannot be changed in ownership stays the caller's

constexpr uint32_t kFrameHeader = 12;
constexpr uint32_t kMaxFrame = 1u << 20;

// Little endian, as docs/storage.md says; every machine that this is built for is.
template <typename T>
T load(const uint8_t* at) {
  T value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

// Reads the parts of a frame in order. After a part that is not there, ok() is false and all parts are empty.
class Cursor {
 public:
  Cursor(const uint8_t* at, size_t size) : at_(at), end_(at + size) {}

  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && at_ == end_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }

  template <typename T>
  T number() {
    if (!have(sizeof(T))) return 0;
    T value = load<T>(at_);
    at_ += sizeof(T);
    return value;
  }

  // A length of 16 bits, the bytes, a NUL that the length does not count; no NUL inside.
  const char* text();

  const uint8_t* bytes(size_t size) {
    if (!have(size)) return nullptr;
    const uint8_t* at = at_;
    at_ += size;
    return at;
  }

 private:
  bool have(size_t size) {
    if (ok_ && left() >= size) return true;
    ok_ = false;
    at_ = end_;
    return false;
  }

  const uint8_t* at_;
  const uint8_t* end_;
  bool ok_ = true;
};

struct Frame {
  Request request;
  uint32_t tag;
  const uint8_t* body;
  uint32_t size;
};

// Takes frames out of a pipe, as many as there are with one read.
class Input {
 public:
  explicit Input(int fd) : fd_(fd) {}

  // False at the end of the input and when it is not what the protocol says (*error is then an errno).
  bool next(Frame* frame, int* error);

 private:
  static constexpr size_t kCapacity = kMaxFrame + (256u << 10);
  int fd_;
  size_t begin_ = 0;
  size_t end_ = 0;
  alignas(16) uint8_t buffer_[kCapacity];
};

// Replies; false when nobody reads them any more.
bool reply(int fd, Request request, uint32_t tag, const void* body, uint32_t size);
// A piece of an answer that goes on.
bool reply_piece(int fd, Request request, uint32_t tag, const void* body, uint32_t size);
bool reply_error(int fd, Request request, uint32_t tag, const Status& status);

}  // namespace vaina
