// What the files of the addon share: the edge between JavaScript values and system calls. Nothing else in the
// project knows of nan or V8.
#pragma once

#include <nan.h>
#include <stddef.h>
#include <stdint.h>

#include <string>

#include "../sys/unique_fd.h"

namespace vaina {

using Info = Nan::FunctionCallbackInfo<v8::Value>;

// The bytes of an Uint8Array; they belong to it.
struct Bytes {
  const uint8_t* data;
  size_t size;
};

// Each takes argument `index`, or throws a TypeError that names `what` and returns false.
bool get_string(const Info& info, int index, const char* what, std::string* out);
bool get_bytes(const Info& info, int index, const char* what, Bytes* out);
bool get_uint32(const Info& info, int index, const char* what, uint32_t* out);
bool get_fd(const Info& info, int index, const char* what, int* out);

bool to_uint32(v8::Local<v8::Value> value, uint32_t* out);
// A descriptor number, or one below zero from `least` on.
bool to_fd(v8::Local<v8::Value> value, int least, int* out);

// At most this many in an array.
constexpr uint32_t kMaxFds = 8;
bool get_fds(const Info& info, int index, int (&fds)[kMaxFds], uint32_t* count);

// Standard descriptors that are none.
constexpr int kNullDevice = -1;
constexpr int kNewPipe = -2;
// The three standard descriptors of a process; what is below zero is one of the above, from `least` on.
bool get_stdio(const Info& info, int index, int least, int (&stdio)[3]);
// /dev/null, opened once and never closed; -1 with errno set.
int null_device();

v8::Local<v8::Value> property(v8::Local<v8::Object> object, const char* name);
void set_property(v8::Local<v8::Object> object, const char* name, v8::Local<v8::Value> value);

// Throws an Error with the code, errno, syscall and path of a failed system call, in Node's form.
void throw_errno(int error, const char* syscall, const char* path = nullptr);

// Sends a message with descriptors in one sendmsg, as a rule; false with errno set.
bool send_message(int fd, const Bytes& message, const int* fds, uint32_t count);

// An empty memfd that can be sealed, or -1 with errno set.
enum class Executable { kNo, kYes };
int empty_memfd(const char* name, Executable executable);
// Fills a memfd and seals it against change; false with errno and *syscall set.
bool fill_memfd(int fd, const void* data, size_t size, const char** syscall);
// Both: the memfd, or -1 with errno and *syscall set.
int sealed_memfd(const char* name, const void* data, size_t size, Executable executable,
                 const char** syscall);

void register_launch(v8::Local<v8::Object> exports);
void register_control(v8::Local<v8::Object> exports);
void register_exec(v8::Local<v8::Object> exports);
void register_pipes(v8::Local<v8::Object> exports);
void register_files(v8::Local<v8::Object> exports);
void register_locks(v8::Local<v8::Object> exports);
void register_seccomp(v8::Local<v8::Object> exports);
void register_gzip(v8::Local<v8::Object> exports);

}  // namespace vaina
