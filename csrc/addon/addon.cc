#include "addon.h"

#include <fcntl.h>

namespace vaina {

bool to_uint32(v8::Local<v8::Value> value, uint32_t* out) {
  if (!value->IsUint32()) return false;
  *out = value.As<v8::Uint32>()->Value();
  return true;
}

bool to_fd(v8::Local<v8::Value> value, int least, int* out) {
  if (!value->IsInt32()) return false;
  int fd = value.As<v8::Int32>()->Value();
  if (fd < least) return false;
  *out = fd;
  return true;
}

namespace {

bool refuse(const char* what, const char* type) {
  Nan::ThrowTypeError((std::string(what) + " must be " + type).c_str());
  return false;
}

}  // namespace

bool get_string(const Info& info, int index, const char* what, std::string* out) {
  if (!info[index]->IsString()) return refuse(what, "a string");
  Nan::Utf8String text(info[index]);
  out->assign(*text, text.length());
  // A path with a NUL would be cut there, and so name another file.
  if (out->find('\0') != std::string::npos) return refuse(what, "a string without NUL");
  return true;
}

bool get_bytes(const Info& info, int index, const char* what, Bytes* out) {
  if (!info[index]->IsUint8Array()) return refuse(what, "an Uint8Array");
  out->data = reinterpret_cast<const uint8_t*>(node::Buffer::Data(info[index]));
  out->size = node::Buffer::Length(info[index]);
  return true;
}

bool get_uint32(const Info& info, int index, const char* what, uint32_t* out) {
  return to_uint32(info[index], out) || refuse(what, "an unsigned 32-bit integer");
}

bool get_fd(const Info& info, int index, const char* what, int* out) {
  return to_fd(info[index], 0, out) || refuse(what, "a file descriptor");
}

namespace {

// The elements of an array of at most `most`.
bool to_fds(v8::Local<v8::Value> value, uint32_t most, int least, int* fds, uint32_t* count) {
  if (!value->IsArray()) return false;
  v8::Local<v8::Array> array = value.As<v8::Array>();
  *count = array->Length();
  if (*count > most) return false;
  for (uint32_t i = 0; i < *count; i++) {
    v8::Local<v8::Value> element;
    if (!Nan::Get(array, i).ToLocal(&element) || !to_fd(element, least, &fds[i])) return false;
  }
  return true;
}

}  // namespace

bool get_fds(const Info& info, int index, int (&fds)[kMaxFds], uint32_t* count) {
  return to_fds(info[index], kMaxFds, 0, fds, count) ||
         refuse("fds", "an array of at most eight file descriptors");
}

bool get_stdio(const Info& info, int index, int least, int (&stdio)[3]) {
  uint32_t count = 0;
  return (to_fds(info[index], 3, least, stdio, &count) && count == 3) ||
         refuse("stdio", "an array of three file descriptors");
}

int null_device() {
  static const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  return null;
}

v8::Local<v8::Value> property(v8::Local<v8::Object> object, const char* name) {
  v8::Local<v8::Value> value;
  // Nothing when a getter throws; the caller's type check then refuses the undefined.
  if (!Nan::Get(object, Nan::New(name).ToLocalChecked()).ToLocal(&value)) return Nan::Undefined();
  return value;
}

void set_property(v8::Local<v8::Object> object, const char* name, v8::Local<v8::Value> value) {
  Nan::Set(object, Nan::New(name).ToLocalChecked(), value);
}

void throw_errno(int error, const char* syscall, const char* path) {
  Nan::ThrowError(Nan::ErrnoException(error, syscall, nullptr, path));
}

namespace {

NAN_MODULE_INIT(Init) {
  register_launch(target);
  register_control(target);
  register_exec(target);
  register_pipes(target);
  register_files(target);
  register_locks(target);
  register_seccomp(target);
  register_gzip(target);
}

}  // namespace
}  // namespace vaina

using vaina::Init;
NAN_MODULE_WORKER_ENABLED(addon, Init)
