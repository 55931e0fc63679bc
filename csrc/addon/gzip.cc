// Layers are inflated by ISA-L where it was there at the build: in half the processor time of zlib, and into
// memory that is used again and again. Without it lib/oci/compression.ts does it with Node's streams.
#include "addon.h"

#ifdef VAINA_ISAL
#include <isa-l/igzip_lib.h>

namespace vaina {
namespace {

// A stream of gzip members (RFC 1952), which zeros may follow, as gunzip reads it.
class Gzip {
 public:
  Gzip() { start(); }

  struct Step {
    size_t taken;
    size_t given;
    const char* failure;
  };
  // Goes on until the input is used up or the output is full.
  Step step(const uint8_t* in, size_t in_size, uint8_t* out, size_t out_size);
  // Whether the input may end here.
  bool complete() const { return at_start_; }

 private:
  void start() {
    isal_inflate_init(&state_);
    state_.crc_flag = ISAL_GZIP;
  }

  struct inflate_state state_;
  // Between two members.
  bool at_start_ = false;
  // Zeros have come in the place of a member.
  bool padding_ = false;
  // There may be more output than there was room for.
  bool full_ = false;
};

const char* describe(int error) {
  switch (error) {
    case ISAL_INVALID_WRAPPER:
      return "incorrect header check";
    case ISAL_UNSUPPORTED_METHOD:
      return "unknown compression method";
    case ISAL_INCORRECT_CHECKSUM:
      return "incorrect data check";
    case ISAL_INVALID_LOOKBACK:
      return "invalid distance too far back";
    case ISAL_INVALID_SYMBOL:
      return "invalid code";
    default:
      return "invalid block";
  }
}

Gzip::Step Gzip::step(const uint8_t* in, size_t in_size, uint8_t* out, size_t out_size) {
  Step step = {0, 0, nullptr};
  while (step.given < out_size && (step.taken < in_size || full_)) {
    full_ = false;
    if (at_start_) {
      if (step.taken == in_size) break;
      padding_ = padding_ || in[step.taken] == 0;
      if (padding_) {
        step.taken = in_size;
        break;
      }
      start();
    }
    state_.next_in = const_cast<uint8_t*>(in + step.taken);
    state_.avail_in = static_cast<uint32_t>(in_size - step.taken);
    state_.next_out = out + step.given;
    state_.avail_out = static_cast<uint32_t>(out_size - step.given);
    const int result = isal_inflate(&state_);
    const size_t taken = in_size - state_.avail_in;
    const size_t given = out_size - state_.avail_out;
    at_start_ = state_.block_state == ISAL_BLOCK_FINISH;
    full_ = given == out_size;
    if (result != ISAL_DECOMP_OK) {
      step.failure = describe(result);
    } else if (at_start_ && state_.read_in_length >= 8) {
      // The trailer takes all whole bytes that were read ahead: it has as many as there can be.
      step.failure = "misplaced end";
    } else if (taken == step.taken && given == step.given && taken < in_size) {
      step.failure = "no progress";
    }
    if (step.failure != nullptr) break;
    step.taken = taken;
    step.given = given;
  }
  return step;
}

class GzipReader : public Nan::ObjectWrap {
 public:
  static void init(v8::Local<v8::Object> exports) {
    v8::Local<v8::FunctionTemplate> type = Nan::New<v8::FunctionTemplate>(New);
    type->SetClassName(Nan::New("GzipReader").ToLocalChecked());
    type->InstanceTemplate()->SetInternalFieldCount(1);
    Nan::SetPrototypeMethod(type, "step", Step);
    Nan::SetPrototypeMethod(type, "complete", Complete);
    Nan::Set(exports, Nan::New("GzipReader").ToLocalChecked(), Nan::GetFunction(type).ToLocalChecked());
  }

 private:
  static NAN_METHOD(New) {
    if (!info.IsConstructCall()) return Nan::ThrowTypeError("GzipReader is a class");
    (new GzipReader())->Wrap(info.This());
    info.GetReturnValue().Set(info.This());
  }

  // step(input, output): [taken, given]
  static NAN_METHOD(Step) {
    Bytes in, out;
    if (!get_bytes(info, 0, "input", &in) || !get_bytes(info, 1, "output", &out)) return;
    if (in.size > UINT32_MAX || out.size > UINT32_MAX) return Nan::ThrowTypeError("too many bytes");
    Gzip& gzip = Nan::ObjectWrap::Unwrap<GzipReader>(info.This())->gzip_;
    const Gzip::Step step = gzip.step(in.data, in.size, const_cast<uint8_t*>(out.data), out.size);
    if (step.failure != nullptr) return Nan::ThrowError(step.failure);
    v8::Local<v8::Array> result = Nan::New<v8::Array>(2);
    Nan::Set(result, 0, Nan::New(static_cast<uint32_t>(step.taken)));
    Nan::Set(result, 1, Nan::New(static_cast<uint32_t>(step.given)));
    info.GetReturnValue().Set(result);
  }

  static NAN_METHOD(Complete) {
    info.GetReturnValue().Set(Nan::ObjectWrap::Unwrap<GzipReader>(info.This())->gzip_.complete());
  }

  Gzip gzip_;
};

}  // namespace

void register_gzip(v8::Local<v8::Object> exports) {
  GzipReader::init(exports);
}

}  // namespace vaina

#else

namespace vaina {

void register_gzip(v8::Local<v8::Object>) {}

}  // namespace vaina

#endif
