// Compiles a seccomp profile by libseccomp, in the way of runc: unknown names are skipped, rules that say
// what the default says are left out, and several conditions on one argument are alternatives.
#include <ctype.h>
#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "addon.h"

namespace vaina {
namespace {

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

struct Rule {
  std::vector<std::string> names;
  uint32_t action;
  std::vector<struct scmp_arg_cmp> conditions;
};

struct Program {
  uint32_t default_action;
  std::vector<uint32_t> architectures;
  std::vector<Rule> rules;
};

bool refuse(const std::string& what) {
  Nan::ThrowTypeError(what.c_str());
  return false;
}

bool to_array(v8::Local<v8::Value> value, const char* what, v8::Local<v8::Array>* out) {
  if (!value->IsArray()) return refuse(std::string(what) + " must be an array");
  *out = value.As<v8::Array>();
  return true;
}

v8::Local<v8::Value> element(v8::Local<v8::Array> array, uint32_t index) {
  v8::Local<v8::Value> value;
  if (!Nan::Get(array, index).ToLocal(&value)) return Nan::Undefined();
  return value;
}

bool parse_condition(v8::Local<v8::Value> value, struct scmp_arg_cmp* out) {
  if (!value->IsObject()) return refuse("an argument of a rule must be an object");
  v8::Local<v8::Object> object = value.As<v8::Object>();
  uint32_t index, op;
  if (!to_uint32(property(object, "index"), &index) || index > 5) return refuse("index must be 0 to 5");
  if (!to_uint32(property(object, "op"), &op) || op < SCMP_CMP_NE || op > SCMP_CMP_MASKED_EQ) {
    return refuse("op must be a comparison of libseccomp");
  }
  uint64_t numbers[2];
  const char* const keys[] = {"value", "valueTwo"};
  for (int i = 0; i < 2; i++) {
    v8::Local<v8::Value> number = property(object, keys[i]);
    bool lossless = false;
    if (number->IsBigInt()) numbers[i] = number.As<v8::BigInt>()->Uint64Value(&lossless);
    if (!lossless) return refuse(std::string(keys[i]) + " must be an unsigned 64-bit bigint");
  }
  *out = {index, static_cast<enum scmp_compare>(op), numbers[0], numbers[1]};
  return true;
}

bool parse_rule(v8::Local<v8::Value> value, Rule* out) {
  if (!value->IsObject()) return refuse("a rule must be an object");
  v8::Local<v8::Object> object = value.As<v8::Object>();
  v8::Local<v8::Array> names, conditions;
  if (!to_array(property(object, "names"), "names", &names)) return false;
  if (!to_uint32(property(object, "action"), &out->action))
    return refuse("action must be an action of libseccomp");
  if (!to_array(property(object, "args"), "args", &conditions)) return false;
  for (uint32_t i = 0; i < names->Length(); i++) {
    v8::Local<v8::Value> name = element(names, i);
    if (!name->IsString()) return refuse("a name of a rule must be a string");
    out->names.emplace_back(*Nan::Utf8String(name));
  }
  for (uint32_t i = 0; i < conditions->Length(); i++) {
    struct scmp_arg_cmp condition;
    if (!parse_condition(element(conditions, i), &condition)) return false;
    out->conditions.push_back(condition);
  }
  return true;
}

// SCMP_ARCH_X86_64 → the token of x86_64; 0 when there is none.
uint32_t architecture_token(const std::string& name) {
  static const std::string prefix = "SCMP_ARCH_";
  if (name.compare(0, prefix.size(), prefix) != 0) return 0;
  std::string lower = name.substr(prefix.size());
  for (char& letter : lower) letter = static_cast<char>(tolower(static_cast<unsigned char>(letter)));
  return seccomp_arch_resolve_name(lower.c_str());
}

bool parse_program(v8::Local<v8::Value> value, Program* out) {
  if (!value->IsObject()) return refuse("profile must be an object");
  v8::Local<v8::Object> object = value.As<v8::Object>();
  v8::Local<v8::Array> architectures, rules;
  if (!to_uint32(property(object, "defaultAction"), &out->default_action)) {
    return refuse("defaultAction must be an action of libseccomp");
  }
  if (!to_array(property(object, "architectures"), "architectures", &architectures)) return false;
  if (!to_array(property(object, "rules"), "rules", &rules)) return false;
  for (uint32_t i = 0; i < architectures->Length(); i++) {
    v8::Local<v8::Value> name = element(architectures, i);
    if (!name->IsString()) return refuse("an architecture must be a string");
    std::string text = *Nan::Utf8String(name);
    uint32_t token = architecture_token(text);
    if (token == 0) return refuse("unknown architecture " + text);
    out->architectures.push_back(token);
  }
  for (uint32_t i = 0; i < rules->Length(); i++) {
    Rule rule = {};
    if (!parse_rule(element(rules, i), &rule)) return false;
    out->rules.push_back(std::move(rule));
  }
  return true;
}

bool argument_repeats(const std::vector<struct scmp_arg_cmp>& conditions) {
  unsigned seen = 0;
  for (const auto& condition : conditions) {
    if (seen & (1U << condition.arg)) return true;
    seen |= 1U << condition.arg;
  }
  return false;
}

// 0 or a negative errno.
int add_rule(void* filter, uint32_t action, int number, const std::vector<struct scmp_arg_cmp>& conditions) {
  // libseccomp has one condition per argument and rule.
  if (argument_repeats(conditions)) {
    for (const auto& condition : conditions) {
      int result = seccomp_rule_add_array(filter, action, number, 1, &condition);
      if (result != 0) return result;
    }
    return 0;
  }
  return seccomp_rule_add_array(filter, action, number, static_cast<unsigned>(conditions.size()),
                                conditions.data());
}

// compileSeccomp(profile): Buffer of struct sock_filter
NAN_METHOD(CompileSeccomp) {
  Program program = {};
  if (!parse_program(info[0], &program)) return;
  Filter filter(seccomp_init(program.default_action));
  if (!filter) return throw_errno(EINVAL, "seccomp_init");
  // The plan decides on no-new-privileges, by a step of its own.
  int result = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_NNP, 0);
  if (result != 0) return throw_errno(-result, "seccomp_attr_set");
  // A binary tree instead of a chain: the kernel runs the filter once for every call number when it is
  // installed.
  (void)seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  for (uint32_t token : program.architectures) {
    result = seccomp_arch_add(filter.get(), token);
    if (result != 0 && result != -EEXIST) return throw_errno(-result, "seccomp_arch_add");
  }
  for (const Rule& rule : program.rules) {
    if (rule.action == program.default_action) continue;
    for (const std::string& name : rule.names) {
      int number = seccomp_syscall_resolve_name(name.c_str());
      if (number == __NR_SCMP_ERROR) continue;
      result = add_rule(filter.get(), rule.action, number, rule.conditions);
      if (result != 0) return throw_errno(-result, "seccomp_rule_add", name.c_str());
    }
  }
  UniqueFd output(memfd_create("vaina-seccomp", MFD_CLOEXEC));
  if (output.get() < 0) return throw_errno(errno, "memfd_create");
  result = seccomp_export_bpf(filter.get(), output.get());
  if (result != 0) return throw_errno(-result, "seccomp_export_bpf");
  off_t size = lseek(output.get(), 0, SEEK_END);
  if (size < 0) return throw_errno(errno, "lseek");
  std::string code(static_cast<size_t>(size), '\0');
  if (pread(output.get(), &code[0], code.size(), 0) != size) return throw_errno(EIO, "pread");
  v8::Local<v8::Object> buffer;
  if (Nan::CopyBuffer(code.data(), static_cast<uint32_t>(code.size())).ToLocal(&buffer)) {
    info.GetReturnValue().Set(buffer);
  }
}

}  // namespace

void register_seccomp(v8::Local<v8::Object> exports) {
  Nan::SetMethod(exports, "compileSeccomp", CompileSeccomp);
}

}  // namespace vaina
