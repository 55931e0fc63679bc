#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../sys/status.h"

namespace vaina {

enum class Phase : uint8_t { kPolicy, kHost, kClone, kInside, kAfter };
constexpr uint32_t kPhases = 5;

enum class Op : uint16_t {
#define STEP(name, text, op, phase, kinds) k##name = op,
#include "../tables/steps.def"
#undef STEP
};

// The name of a step, as docs/plan.md writes it.
const char* step_name(Op op);

struct Bytes {
  const uint8_t* data;
  uint32_t size;
};

// One step of a decoded plan. Arguments are used in place; which kinds they have was checked by Plan::decode.
class Step {
 public:
  Op op() const { return static_cast<Op>(u16(0)); }
  Phase phase() const;
  // Place in the whole plan, counted from 0.
  uint32_t index() const { return index_; }
  // Number of arguments.
  uint32_t count() const { return u16(2); }
  // The nth argument.
  const char* str(uint32_t n) const { return reinterpret_cast<const char*>(bytes(n).data); }
  uint64_t num(uint32_t n) const;
  Bytes bytes(uint32_t n) const;
  const char* name() const { return step_name(op()); }

  // Makes a null-terminated array of the strings from argument `first` on in `out`, which has room for
  // count() - first + 1 pointers.
  void strings(uint32_t first, const char** out) const;

 private:
  friend class Plan;
  friend class Steps;
  uint16_t u16(size_t offset) const;
  const uint8_t* next() const;

  const uint8_t* at_ = nullptr;
  uint32_t index_ = 0;
};

// A range for `for (const Step& step : plan.steps(Phase::kHost))`.
class Steps {
 public:
  class Iterator {
   public:
    const Step& operator*() const { return step_; }
    Iterator& operator++();
    bool operator!=(const Iterator& other) const { return step_.index_ != other.step_.index_; }

   private:
    friend class Plan;
    friend class Steps;
    Step step_;
  };
  Iterator begin() const { return begin_; }
  Iterator end() const { return end_; }
  bool empty() const { return !(begin_ != end_); }

 private:
  friend class Plan;
  Iterator begin_, end_;
};

// A launch plan (docs/plan.md) in somebody else's memory, which must stay and must not change (a sealed
// memfd).
class Plan {
 public:
  static constexpr size_t kMaxSize = 8u << 20;

  // Checks all of it; nothing of a plan is used before. On failure *bad_step is the index of the step (all
  // ones: none).
  static Status decode(const uint8_t* bytes, size_t size, Plan* out, uint32_t* bad_step = nullptr);

  Steps steps(Phase phase) const;
  // Whether it has an after phase and nothing else: it tidies up after somebody who could not.
  bool only_cleans() const;
  // The first step of that kind from `from` on.
  bool find(Op op, Step* out, uint32_t from = 0) const;
  bool has(Op op) const {
    Step unused;
    return find(op, &unused);
  }
  uint32_t count() const { return first_[kPhases]; }

  const uint8_t* data() const { return bytes_; }
  size_t size() const { return size_; }

 private:
  const uint8_t* bytes_ = nullptr;
  size_t size_ = 0;
  // Where each phase starts; [kPhases] is the end.
  uint32_t offset_[kPhases + 1] = {};
  uint32_t first_[kPhases + 1] = {};
};

// No step: what `failed_index` says when no single step is to blame.
constexpr uint32_t kNoStep = 0xffffffffu;

}  // namespace vaina
