#include "addon.h"

namespace vaina {

bool to_uint32(v8::Local<v8::Value> value, uint32_t* out) {
  if (!value->IsUint32()) return false;
  *out = value.As<v8::Uint32>()->Value();
  return true;
}

bool to_fd(v8::Local<v8::Value> value, bool none_allowed, int* out) {
  if (!value->IsInt32()) return false;
  int fd = value.As<v8::Int32>()->Value();
  if (fd < (none_allowed ? -1 : 0)) return false;
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
  return to_fd(info[index], false, out) || refuse(what, "a file descriptor");
}

bool get_fds(const Info& info, int index, int (&fds)[kMaxFds], uint32_t* count) {
  bool valid = info[index]->IsArray() && info[index].As<v8::Array>()->Length() <= kMaxFds;
  *count = valid ? info[index].As<v8::Array>()->Length() : 0;
  for (uint32_t i = 0; valid && i < *count; i++) {
    v8::Local<v8::Value> value;
    valid = Nan::Get(info[index].As<v8::Array>(), i).ToLocal(&value) && to_fd(value, false, &fds[i]);
  }
  return valid || refuse("fds", "an array of at most eight file descriptors");
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
