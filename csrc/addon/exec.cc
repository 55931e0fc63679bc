// The request for an exec: its plan, its command and its standard descriptors in one message.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "addon.h"

namespace vaina {
namespace {

// The type of the request (docs/plan.md).
constexpr uint32_t kExecRequest = 1;
constexpr size_t kMaxPlan = 8u << 20;
// Where the header of a plan has its size and the number of its steps.
constexpr size_t kPlanSize = 8, kPlanSteps = 12;
constexpr size_t kUsualCommand = 1024;

// The three standard descriptors of a process that is about to be. Those that are made for it close here.
class Stdio {
 public:
  // False with an exception thrown.
  bool get(const Info& info, int index) { return get_stdio(info, index, kNewPipe, fds_); }

  // False with errno set.
  bool open_missing() {
    for (int i = 0; i < 3; i++) {
      if (fds_[i] == kNewPipe) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) return false;
        ours_[i] = UniqueFd(ends[i == 0 ? 1 : 0]);
        made_[i] = UniqueFd(ends[i == 0 ? 0 : 1]);
        fds_[i] = made_[i].get();
      } else if (fds_[i] == kNullDevice) {
        fds_[i] = null_device();
        if (fds_[i] < 0) return false;
      }
    }
    return true;
  }

  const int* fds() const { return fds_; }

  v8::Local<v8::Value> release_ours() {
    v8::Local<v8::Array> result = Nan::New<v8::Array>(3);
    for (uint32_t i = 0; i < 3; i++) Nan::Set(result, i, Nan::New(ours_[i].release()));
    return result;
  }

 private:
  int fds_[3] = {};
  UniqueFd made_[3], ours_[3];
};

enum Op : uint16_t {
#define STEP(name, text, op, phase, kinds) k##name = op,
#include "../tables/steps.def"
#undef STEP
};

void put(std::string* out, size_t at, size_t value) {
  const uint32_t number = static_cast<uint32_t>(value);
  memcpy(&(*out)[at], &number, sizeof number);
}

template <typename Int>
void append(std::string* out, Int value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Appends a plan that gets `exec`, with argument `index`, as its last step. False with an exception thrown.
bool append_plan(const Info& info, int index, const Bytes& plan, std::string* out) {
  const size_t begin = out->size();
  bool valid = plan.size > kPlanSteps + sizeof(uint32_t) && info[index]->IsArray();
  v8::Local<v8::Array> command;
  uint32_t count = 0;
  if (valid) {
    command = info[index].As<v8::Array>();
    count = command->Length();
    // Copied before anything of JavaScript can run and change it.
    out->append(reinterpret_cast<const char*>(plan.data), plan.size);
    append(out, static_cast<uint16_t>(kExec));
    append(out, static_cast<uint16_t>(count));
    valid = count <= UINT16_MAX;
  }
  for (uint32_t i = 0; valid && i < count; i++) {
    v8::Local<v8::Value> value;
    valid = Nan::Get(command, i).ToLocal(&value) && value->IsString();
    if (!valid) break;
    Nan::Utf8String text(value);
    append(out, static_cast<uint32_t>(text.length()));
    out->append(*text, static_cast<size_t>(text.length()) + 1);
  }
  if (!valid) {
    Nan::ThrowTypeError("command must be an array of strings, plan an encoded plan");
    return false;
  }
  // A monitor hangs up on more.
  if (out->size() - begin > kMaxPlan) {
    throw_errno(EMSGSIZE, "sendmsg");
    return false;
  }
  put(out, begin + kPlanSize, out->size() - begin);
  uint32_t steps;
  memcpy(&steps, &(*out)[begin + kPlanSteps], sizeof steps);
  put(out, begin + kPlanSteps, steps + 1);
  return true;
}

// exec(fd, tag, flags, size, plan, command, stdio): our ends of the pipes, or -1
NAN_METHOD(Exec) {
  int fd;
  uint32_t tag, flags, size;
  Bytes plan;
  Stdio stdio;
  if (!get_fd(info, 0, "fd", &fd) || !get_uint32(info, 1, "tag", &tag) ||
      !get_uint32(info, 2, "flags", &flags) || !get_uint32(info, 3, "size", &size) ||
      !get_bytes(info, 4, "plan", &plan) || !stdio.get(info, 6))
    return;
  std::string message;
  message.reserve(plan.size + kUsualCommand);
  append(&message, uint32_t{0});
  append(&message, kExecRequest);
  append(&message, tag);
  append(&message, flags);
  append(&message, size);
  if (!append_plan(info, 5, plan, &message)) return;
  put(&message, 0, message.size());
  if (!stdio.open_missing()) return throw_errno(errno, "pipe2");
  const Bytes bytes = {reinterpret_cast<const uint8_t*>(message.data()), message.size()};
  if (!send_message(fd, bytes, stdio.fds(), 3)) return throw_errno(errno, "sendmsg");
  info.GetReturnValue().Set(stdio.release_ours());
}

}  // namespace

void register_exec(v8::Local<v8::Object> exports) {
  Nan::SetMethod(exports, "exec", Exec);
}

}  // namespace vaina
