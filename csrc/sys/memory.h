#pragma once

#include <stddef.h>
#include <sys/mman.h>

namespace vaina {

// Zeroed memory for `count` objects: a few lie in this object itself; more come straight from the kernel,
// since the stack may have got a low limit.
template <typename T>
class Memory {
 public:
  explicit Memory(size_t count) : size_(count * sizeof(T)) {
    if (count <= kFew) {
      data_ = few_;
      return;
    }
    void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) data_ = static_cast<T*>(memory);
  }
  ~Memory() {
    if (data_ != nullptr && data_ != few_) munmap(data_, size_);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  bool ok() const { return data_ != nullptr; }
  T* get() const { return data_; }

 private:
  static constexpr size_t kFew = 32;

  size_t size_;
  T* data_ = nullptr;
  T few_[kFew] = {};
};

}  // namespace vaina
