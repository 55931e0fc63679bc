// What clients may ask for.
#include <errno.h>

#include "connection.h"
#include "supervise.h"

namespace vaina {
namespace {

constexpr uint32_t kMaxSignal = 64;
constexpr uint32_t kTerminal = 1, kBrief = 2;
// Where the plan of an exec begins: behind the flags and the size of the terminal.
constexpr size_t kExecPlan = 8;

void answer(Connection* connection, uint32_t tag, int error, const char* what) {
  if (error == 0) {
    send_ok(connection, tag);
  } else {
    send_error(connection, tag, error, what);
  }
}

void exec(Connection* connection, Request* request) {
  uint32_t flags = request->size > kExecPlan ? get_u32(request->body) : kAllOnes;
  if ((flags & ~(kTerminal | kBrief)) != 0 || request->fd_count != kMaxRequestFds) {
    return send_error(connection, request->tag, EINVAL, "malformed exec");
  }
  Body failure;
  bool terminal = (flags & kTerminal) != 0;
  Process* session = start_exec(request->body + kExecPlan, request->size - kExecPlan, request->fds, terminal,
                                static_cast<uint16_t>(get_u16(request->body + 4)),
                                static_cast<uint16_t>(get_u16(request->body + 6)), &failure);
  if (session == nullptr) {
    return send_message(connection, Message::kFailed, request->tag, failure.data(), failure.size());
  }
  session->brief = (flags & kBrief) != 0;
  if (expect(connection, Wait::kStart, request->tag, session->target)) return;
  session->signal(9);
  send_error(connection, request->tag, EAGAIN, "too many open requests");
}

void signal(Connection* connection, const Request& request) {
  if (request.size != 8) return send_error(connection, request.tag, EINVAL, "malformed signal");
  uint32_t number = get_u32(request.body + 4);
  Process* process = find_process(get_u32(request.body));
  int error = process == nullptr ? ESRCH : number == 0 || number > kMaxSignal ? EINVAL : 0;
  if (error == 0) error = process->signal(static_cast<int>(number));
  answer(connection, request.tag, error, "signal");
}

void resize(Connection* connection, const Request& request) {
  if (request.size != 8) return send_error(connection, request.tag, EINVAL, "malformed resize");
  Process* process = find_process(get_u32(request.body));
  uint16_t rows = static_cast<uint16_t>(get_u16(request.body + 4));
  uint16_t columns = static_cast<uint16_t>(get_u16(request.body + 6));
  answer(connection, request.tag, process == nullptr ? ESRCH : process->resize(rows, columns), "resize");
}

void stop(Connection* connection, const Request& request) {
  if (request.size != 8) return send_error(connection, request.tag, EINVAL, "malformed stop");
  uint32_t number = get_u32(request.body);
  int error = number > kMaxSignal ? EINVAL : 0;
  if (error == 0 && !expect(connection, Wait::kStop, request.tag, 0)) {
    return send_error(connection, request.tag, EAGAIN, "too many open requests");
  }
  // The answer comes with the end.
  if (error == 0) error = stop_container(number, get_u32(request.body + 4));
  if (error != 0) send_error(connection, request.tag, error, "stop");
}

void wait(Connection* connection, const Request& request) {
  if (request.size != 4) return send_error(connection, request.tag, EINVAL, "malformed wait");
  uint32_t target = get_u32(request.body);
  if (find_process(target) == nullptr) return send_error(connection, request.tag, ESRCH, "wait");
  if (!expect(connection, Wait::kEnd, request.tag, target)) {
    send_error(connection, request.tag, EAGAIN, "too many open requests");
  }
}

void attach(Connection* connection, Request* request) {
  uint32_t which = request->size == 4 ? get_u32(request->body) : 0;
  UniqueFd stdio[3];
  uint32_t used = 0;
  for (uint32_t i = 0; i < 3; i++) {
    if (which & (1u << i)) stdio[i] = take(request->fds[used++]);
  }
  if (which == 0 || which > 7 || used != request->fd_count) {
    return send_error(connection, request->tag, EINVAL, "malformed attach");
  }
  answer(connection, request->tag, find_process(0)->attach(stdio), "attach");
}

}  // namespace

void handle_request(Connection* connection, Request* request) {
  switch (request->type) {
    case Message::kExec:
      return exec(connection, request);
    case Message::kSignal:
      return signal(connection, *request);
    case Message::kResize:
      return resize(connection, *request);
    case Message::kStop:
      return stop(connection, *request);
    case Message::kWait:
      return wait(connection, *request);
    case Message::kAttach:
      return attach(connection, request);
    default:
      return send_error(connection, request->tag, ENOSYS, "unknown request");
  }
}

}  // namespace vaina
