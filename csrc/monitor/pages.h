#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

// <new> belongs to the C++ standard library, which is not there.
inline void* operator new(size_t, void* place) noexcept {
  return place;
}

namespace vaina {

// Memory in whole pages that goes back to the kernel when it is given back: between bursts a monitor is as
// small as it was at its start, and it has no heap that could fragment.
inline void* map_pages(size_t size) {
  void* pages = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages == MAP_FAILED ? nullptr : pages;
}

inline void unmap_pages(void* pages, size_t size) {
  if (pages != nullptr) munmap(pages, size);
}

// An object in pages of its own, or nullptr.
template <typename T>
T* new_in_pages() {
  void* pages = map_pages(sizeof(T));
  return pages == nullptr ? nullptr : new (pages) T();
}

template <typename T>
void delete_in_pages(T* object) {
  if (object == nullptr) return;
  object->~T();
  unmap_pages(object, sizeof(T));
}

}  // namespace vaina
