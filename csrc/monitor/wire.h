#pragma once

#include <stddef.h>
#include <stdint.h>

namespace vaina {

// Messages of the control protocol, docs/plan.md.
enum class Message : uint16_t {
  kExec = 1,
  kSignal = 2,
  kResize = 3,
  kStop = 4,
  kWait = 5,
  kAttach = 6,
  kStarted = 101,
  kFailed = 102,
  kExited = 103,
  kOk = 104,
  kError = 105,
  kEnding = 106,
};

constexpr size_t kHeaderSize = 12;
constexpr uint32_t kAllOnes = 0xffffffffu;

// Little endian on every machine.
inline uint32_t get_u16(const uint8_t* at) {
  return at[0] | static_cast<uint32_t>(at[1]) << 8;
}
inline uint32_t get_u32(const uint8_t* at) {
  return get_u16(at) | get_u16(at + 2) << 16;
}

// Bytes of a message under construction, in a buffer that is large enough for every message.
class Body {
 public:
  void u32(uint32_t value) {
    for (int i = 0; i < 4; i++) put(static_cast<uint8_t>(value >> (8 * i)));
  }
  void u64(uint64_t value) {
    u32(static_cast<uint32_t>(value));
    u32(static_cast<uint32_t>(value >> 32));
  }
  void text(const char* value) {
    while (*value != '\0') put(static_cast<uint8_t>(*value++));
  }
  const uint8_t* data() const { return bytes_; }
  size_t size() const { return size_; }

 private:
  void put(uint8_t byte) {
    if (size_ < sizeof bytes_) bytes_[size_++] = byte;
  }
  uint8_t bytes_[1100];
  size_t size_ = 0;
};

}  // namespace vaina
