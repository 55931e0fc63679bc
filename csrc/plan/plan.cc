#include "plan.h"

#include <errno.h>
#include <string.h>

namespace vaina {
namespace {

constexpr char kMagic[4] = {'V', 'P', 'L', 'N'};
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderSize = 16;
constexpr size_t kStepHeaderSize = 4;
constexpr size_t kLengthSize = 4;
constexpr uint32_t kNumberSize = 8;

// Names of the phases as tables/steps.def writes them.
constexpr Phase Policy = Phase::kPolicy, Host = Phase::kHost, Clone = Phase::kClone, Inside = Phase::kInside,
                After = Phase::kAfter;

struct Kind {
  uint16_t op;
  Phase phase;
  const char* name;
  const char* arguments;
};

constexpr Kind kKinds[] = {
#define STEP(name, text, op, phase, kinds) {op, phase, text, kinds},
#include "../tables/steps.def"
#undef STEP
};

const Kind* find_kind(uint16_t op) {
  for (const Kind& kind : kKinds) {
    if (kind.op == op) return &kind;
  }
  return nullptr;
}

// Little endian, wherever it lies.
template <typename Int>
Int load(const uint8_t* at) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "plans are used in place");
  Int value;
  memcpy(&value, at, sizeof value);
  return value;
}

const uint8_t* skip_argument(const uint8_t* at) {
  return at + kLengthSize + load<uint32_t>(at) + 1;
}

Status refuse(const char* what) {
  return failed_with(EBADMSG, what);
}

// Checks the arguments of the step at *at, which may reach up to `end`, and moves *at behind it.
Status check_step(const uint8_t** at, const uint8_t* end, const Kind** out) {
  const uint8_t* here = *at;
  if (static_cast<size_t>(end - here) < kStepHeaderSize) return refuse("plan: step past the end");
  const Kind* kind = find_kind(load<uint16_t>(here));
  if (kind == nullptr) return refuse("plan: unknown step");
  uint16_t count = load<uint16_t>(here + 2);
  here += kStepHeaderSize;

  // "su*": fixed kinds, then one kind that repeats.
  const char* kinds = kind->arguments;
  size_t fixed = strlen(kinds);
  char repeated = '\0';
  if (fixed >= 2 && kinds[fixed - 1] == '*') {
    repeated = kinds[fixed - 2];
    fixed -= 2;
  }
  if (count < fixed || (count > fixed && repeated == '\0')) return refuse("plan: wrong number of arguments");
  for (uint16_t i = 0; i < count; i++) {
    if (static_cast<size_t>(end - here) < kLengthSize) return refuse("plan: argument past the end");
    uint32_t length = load<uint32_t>(here);
    here += kLengthSize;
    if (static_cast<size_t>(end - here) <= length) return refuse("plan: argument past the end");
    if (here[length] != 0) return refuse("plan: argument without its NUL");
    char wanted = i < fixed ? kinds[i] : repeated;
    if (wanted == 'u' && length != kNumberSize) return refuse("plan: not a number");
    if (wanted == 's' && memchr(here, 0, length) != nullptr) return refuse("plan: NUL in a string");
    here += length + 1;
  }
  *at = here;
  *out = kind;
  return fine();
}

bool ends_inside(Op op) {
  return op == Op::kExec || op == Op::kPause || op == Op::kStorage;
}

}  // namespace

const char* step_name(Op op) {
  const Kind* kind = find_kind(static_cast<uint16_t>(op));
  return kind != nullptr ? kind->name : "";
}

uint16_t Step::u16(size_t offset) const {
  return load<uint16_t>(at_ + offset);
}

Phase Step::phase() const {
  return find_kind(u16(0))->phase;
}

Bytes Step::bytes(uint32_t n) const {
  const uint8_t* at = at_ + kStepHeaderSize;
  while (n-- > 0) at = skip_argument(at);
  return Bytes{at + kLengthSize, load<uint32_t>(at)};
}

uint64_t Step::num(uint32_t n) const {
  return load<uint64_t>(bytes(n).data);
}

void Step::strings(uint32_t first, const char** out) const {
  const uint8_t* at = at_ + kStepHeaderSize;
  for (uint32_t i = 0, total = count(); i < total; i++, at = skip_argument(at)) {
    if (i >= first) *out++ = reinterpret_cast<const char*>(at + kLengthSize);
  }
  *out = nullptr;
}

const uint8_t* Step::next() const {
  const uint8_t* at = at_ + kStepHeaderSize;
  for (uint32_t i = count(); i > 0; i--) at = skip_argument(at);
  return at;
}

Steps::Iterator& Steps::Iterator::operator++() {
  step_.at_ = step_.next();
  step_.index_++;
  return *this;
}

Status Plan::decode(const uint8_t* bytes, size_t size, Plan* out, uint32_t* bad_step) {
  uint32_t unused;
  if (bad_step == nullptr) bad_step = &unused;
  *bad_step = kNoStep;
  if (size < kHeaderSize || size > kMaxSize) return refuse("plan: wrong size");
  if (memcmp(bytes, kMagic, sizeof kMagic) != 0) return refuse("plan: not a plan");
  if (load<uint32_t>(bytes + 4) != kVersion) return refuse("plan: unknown version");
  if (load<uint32_t>(bytes + 8) != size) return refuse("plan: wrong length");
  uint32_t steps = load<uint32_t>(bytes + 12);

  Plan plan;
  plan.bytes_ = bytes;
  plan.size_ = size;
  const uint8_t* at = bytes + kHeaderSize;
  uint32_t phase = 0;
  bool ended = false;
  plan.offset_[0] = kHeaderSize;
  for (uint32_t i = 0; i < steps; i++) {
    *bad_step = i;
    const Kind* kind = nullptr;
    uint32_t start = static_cast<uint32_t>(at - bytes);
    Status status = check_step(&at, bytes + size, &kind);
    if (!status.ok()) return status;
    uint32_t own = static_cast<uint32_t>(kind->phase);
    if (own < phase) return refuse("plan: phase out of order");
    for (; phase < own; phase++) {
      plan.offset_[phase + 1] = start;
      plan.first_[phase + 1] = i;
    }
    if (kind->phase == Phase::kInside) {
      if (ended) return refuse("plan: step after the last of its phase");
      ended = ends_inside(static_cast<Op>(kind->op));
    }
  }
  *bad_step = kNoStep;
  if (at != bytes + size) return refuse("plan: trailing bytes");
  for (; phase < kPhases; phase++) {
    plan.offset_[phase + 1] = static_cast<uint32_t>(size);
    plan.first_[phase + 1] = steps;
  }
  if (!ended && !plan.only_cleans()) return refuse("plan: nothing to run");
  *out = plan;
  return fine();
}

bool Plan::only_cleans() const {
  return first_[static_cast<uint32_t>(Phase::kAfter)] == 0 && !steps(Phase::kAfter).empty();
}

Steps Plan::steps(Phase phase) const {
  uint32_t n = static_cast<uint32_t>(phase);
  Steps range;
  range.begin_.step_.at_ = bytes_ + offset_[n];
  range.begin_.step_.index_ = first_[n];
  range.end_.step_.at_ = bytes_ + offset_[n + 1];
  range.end_.step_.index_ = first_[n + 1];
  return range;
}

bool Plan::find(Op op, Step* out, uint32_t from) const {
  const Kind* kind = find_kind(static_cast<uint16_t>(op));
  for (const Step& step : steps(kind->phase)) {
    if (step.op() != op || step.index() < from) continue;
    *out = step;
    return true;
  }
  return false;
}

}  // namespace vaina
