#include "protocol.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

namespace vaina {

const char* Cursor::text() {
  size_t size = number<uint16_t>();
  const uint8_t* at = bytes(size + 1);
  if (at == nullptr || memchr(at, 0, size + 1) != at + size) {
    ok_ = false;
    at_ = end_;
    return "";
  }
  return reinterpret_cast<const char*>(at);
}

bool Input::next(Frame* frame, int* error) {
  *error = 0;
  for (;;) {
    size_t have = end_ - begin_;
    if (have >= kFrameHeader) {
      const uint8_t* at = buffer_ + begin_;
      uint32_t length = load<uint32_t>(at);
      if (length < kFrameHeader || length > kMaxFrame) {
        *error = EPROTO;
        return false;
      }
      if (have >= length) {
        frame->request = static_cast<Request>(load<uint16_t>(at + 4));
        frame->tag = load<uint32_t>(at + 8);
        frame->body = at + kFrameHeader;
        frame->size = length - kFrameHeader;
        begin_ += length;
        return true;
      }
      if (begin_ + length > kCapacity) {
        memmove(buffer_, at, have);
        begin_ = 0;
        end_ = have;
      }
    } else if (have == 0) {
      begin_ = end_ = 0;
    } else if (kCapacity - begin_ < kFrameHeader) {
      memmove(buffer_, buffer_ + begin_, have);
      begin_ = 0;
      end_ = have;
    }
    ssize_t count = read(fd_, buffer_ + end_, kCapacity - end_);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      *error = count < 0 ? errno : end_ != begin_ ? EPROTO : 0;
      return false;
    }
    end_ += static_cast<size_t>(count);
  }
}

namespace {

bool write_all(int fd, struct iovec* parts, int count) {
  while (count > 0) {
    ssize_t written = writev(fd, parts, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    size_t left = static_cast<size_t>(written);
    while (count > 0 && left >= parts->iov_len) {
      left -= parts->iov_len;
      parts++;
      count--;
    }
    if (count > 0) {
      parts->iov_base = static_cast<uint8_t*>(parts->iov_base) + left;
      parts->iov_len -= left;
    }
  }
  return true;
}

struct ReplyHeader {
  uint32_t length;
  uint16_t request;
  uint16_t kind;  // 0 an answer, 1 a failure, 2 a piece of an answer
  uint32_t tag;
};

bool send(int fd, ReplyHeader header, const void* body, uint32_t size) {
  header.length = static_cast<uint32_t>(sizeof header) + size;
  struct iovec parts[] = {{&header, sizeof header}, {const_cast<void*>(body), size}};
  return write_all(fd, parts, size > 0 ? 2 : 1);
}

}  // namespace

bool reply(int fd, Request request, uint32_t tag, const void* body, uint32_t size) {
  return send(fd, {0, static_cast<uint16_t>(request), 0, tag}, body, size);
}

bool reply_piece(int fd, Request request, uint32_t tag, const void* body, uint32_t size) {
  return send(fd, {0, static_cast<uint16_t>(request), 2, tag}, body, size);
}

bool reply_error(int fd, Request request, uint32_t tag, const Status& status) {
  // errno, then the system call and the path, each NUL-terminated: raw, since a path is bytes.
  uint8_t body[4 + 64 + 4352];
  size_t size = 0;
  memcpy(body, &status.error, 4);
  size += 4;
  size_t what = strnlen(status.what, 63);
  memcpy(body + size, status.what, what);
  size += what;
  body[size++] = 0;
  const char* path = status.path != nullptr ? status.path : "";
  size_t length = strnlen(path, sizeof body - size - 1);
  memcpy(body + size, path, length);
  size += length;
  body[size++] = 0;
  return send(fd, {0, static_cast<uint16_t>(request), 1, tag}, body, static_cast<uint32_t>(size));
}

}  // namespace vaina
