#include "serve/http_server.h"

#include <fmt/format.h>
#include <httplib.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/json.h"
#include "emend/error.h"
#include "serve/api_error.h"
#include "serve/client_socket.h"
#include "serve/completion.h"
#include "serve/completion_json.h"
#include "serve/connection_threads.h"
#include "serve/job_queue.h"
#include "serve/request_body.h"

namespace emend {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kTick{100};  // between two looks at clients, deadlines and `stop`
constexpr std::size_t kMostWaitingConnections = 240;
constexpr std::size_t kMoreConnections = 16;  // beside those whose requests wait
constexpr int kBacklog = 128;                 // connections that the system keeps until they are taken

void set_json(httplib::Response& response, int status, const ResultJson& json) {
  response.status = status;
  response.set_content(json.dump(-1, ' ', false, ResultJson::error_handler_t::replace), "application/json");
}

void set_error(httplib::Response& response, const ApiError& error) {
  set_json(response, error.status(), error.json());
  if (error.status() == 503) response.set_header("Retry-After", "1");
}

// What ends the answering of a request whose client has gone.
struct ClientGone {};

class CompletionServer {
 public:
  CompletionServer(const Model& model, const ServedModels& models, const ServeOptions& options)
      : model_(model), models_(models), options_(options), queue_(options.waiting) {
    set_limits();
    set_routes();
  }

  ServeOutcome run(const std::function<void(const std::string&)>& ready, const std::function<bool()>& stop) {
    model_.tokenizer();  // throws without one: no request could be answered
    start_threads();
    const std::string address = bind();
    std::thread listener([this] { listen(); });
    // The thread must be joined, whatever ends the work.
    std::exception_ptr error;
    try {
      while (!server_.is_running()) {
        require_listener();
        std::this_thread::sleep_for(milliseconds(1));
      }
      ready(address);
      while (!hears(stop)) {
        require_listener();
        queue_.do_next(kTick, [&] { hears(stop); });
      }
      drain();
    } catch (...) {
      error = std::current_exception();
      queue_.abandon(std::make_exception_ptr(ApiError(503, "the server is stopping")));
    }
    server_.stop();
    listener.join();
    if (error) std::rethrow_exception(error);
    return {answered_, refused_, failed_, vanished_};
  }

 private:
  // ---- the server

  void set_limits() {
    server_.new_task_queue = [this] { return threads_.release(); };
    server_.set_keep_alive_max_count(1);  // an idle client holds no thread
    server_.set_tcp_nodelay(true);
    // The library's own choice, SO_REUSEPORT, lets a second server take the same port, and half of the
    // requests.
    server_.set_socket_options([this](socket_t socket) {
      socket_ = socket;
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    server_.set_expect_100_continue_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          if (content_length(request) <= options_.body_bytes) return 100;
          set_error(response, body_too_long(options_.body_bytes));
          count(response.status);
          return response.status;
        });
  }

  void set_routes() {
    server_.Get("/health", [this](const httplib::Request&, httplib::Response& response) {
      const bool closed = queue_.is_closed();
      set_json(response, closed ? 503 : 200,
               {{"status", closed ? "stopping" : "ok"}, {"waiting", queue_.waiting()}});
    });
    server_.Get("/v1/models", [this](const httplib::Request&, httplib::Response& response) {
      ResultJson list = ResultJson::array();
      for (const std::string& name : models_.names()) list.push_back(model_json_of(name));
      set_json(response, 200, {{"object", "list"}, {"data", std::move(list)}});
    });
    server_.Get("/v1/models/(.+)", [this](const httplib::Request& request, httplib::Response& response) {
      guarded(response, [&] {
        const std::string name = request.matches[1];
        models_.overlays(name);  // refuses unknown names
        set_json(response, 200, model_json_of(name));
      });
    });
    server_.Post("/v1/completions", [this](const httplib::Request& request, httplib::Response& response,
                                           const httplib::ContentReader& reader) {
      const Active active(*this);
      guarded(response, [&] { set_json(response, 200, answer(request, reader)); });
      count(response.status);
    });
    server_.set_error_handler(httplib::Server::HandlerWithResponse(
        [](const httplib::Request& request, httplib::Response& response) {
          if (!response.body.empty()) return httplib::Server::HandlerResponse::Unhandled;
          const std::string reason = response.status == 404
                                         ? fmt::format("there is no {} {} here", request.method, request.path)
                                         : "the request cannot be read";
          set_error(response, ApiError(response.status, reason));
          return httplib::Server::HandlerResponse::Handled;
        }));
  }

  // Before anything listens, so that a system that has no room for them is told as an error.
  void start_threads() {
    const std::size_t count = std::min(options_.waiting, kMostWaitingConnections) + kMoreConnections;
    try {
      threads_ = std::make_unique<ConnectionThreads>(count);
    } catch (const std::system_error& error) {
      throw Error(ErrorKind::kIo,
                  fmt::format("cannot start {} threads for connections ({}): with fewer requests waiting in "
                              "line fewer are needed",
                              count, error.what()));
    }
  }

  // A thread of its own.
  void listen() {
    try {
      server_.listen_after_bind();
    } catch (const std::exception& error) {
      listener_error_ = error.what();
    }
    has_listened_ = true;
  }

  void require_listener() const {
    if (has_listened_)
      throw Error(ErrorKind::kIo, "the server cannot take connections any more" +
                                      (listener_error_.empty() ? "" : ": " + listener_error_));
  }

  std::string bind() {
    const bool bound = options_.port == 0 ? (port_ = server_.bind_to_any_port(options_.host)) > 0
                                          : server_.bind_to_port(options_.host, port_ = options_.port);
    if (!bound)
      throw Error(ErrorKind::kIo, fmt::format("cannot listen on {} at port {}: another program does, or this "
                                              "machine does not have the address",
                                              options_.host, options_.port));
    ::listen(socket_, kBacklog);  // the library's own backlog, 5, makes clients that come together wait
    const bool is_v6 = options_.host.find(':') != std::string::npos;
    return fmt::format("http://{}:{}", is_v6 ? "[" + options_.host + "]" : options_.host, port_);
  }

  // Whether the server is to end; then it takes no request any more. Also asked while the model works.
  bool hears(const std::function<bool()>& stop) {
    if (!is_stopping_ && stop()) {
      is_stopping_ = true;
      queue_.close();
    }
    return is_stopping_;
  }

  void drain() {
    while (queue_.do_next(milliseconds(0))) {
    }
    std::unique_lock lock(active_mutex_);
    nobody_.wait_for(lock, seconds(options_.shutdown_seconds), [&] { return active_ == 0; });
  }

  // ---- a request

  // A handler that is at work: the server waits for it at its end.
  class Active {
   public:
    explicit Active(CompletionServer& server) : server_(server) {
      const std::lock_guard lock(server_.active_mutex_);
      ++server_.active_;
    }
    ~Active() {
      const std::lock_guard lock(server_.active_mutex_);
      if (--server_.active_ == 0) server_.nobody_.notify_all();
    }
    Active(const Active&) = delete;
    Active& operator=(const Active&) = delete;

   private:
    CompletionServer& server_;
  };

  static ResultJson model_json_of(const std::string& name) {
    return {{"id", name}, {"object", "model"}, {"created", 0}, {"owned_by", "emend"}};
  }

  // Whatever goes wrong is an answer.
  void guarded(httplib::Response& response, const std::function<void()>& work) {
    try {
      work();
    } catch (const ApiError& error) {
      set_error(response, error);
    } catch (const ClientGone&) {
      response.status = 499;  // as other servers log it; nobody reads it
    } catch (const std::exception& error) {
      set_error(response, ApiError(500, error.what()));
    }
  }

  void count(int status) {
    (status == 499 ? vanished_ : status < 400 ? answered_ : status < 500 ? refused_ : failed_) += 1;
  }

  ResultJson answer(const httplib::Request& http, const httplib::ContentReader& reader) {
    const std::string body = read_body(http, reader, options_.body_bytes);
    const auto deadline = Clock::now() + seconds(options_.seconds);
    struct Asked {
      CompletionRequest request;
      std::vector<Overlay> overlays;
      std::vector<Completion> completions;
    };
    const auto asked =
        std::make_shared<Asked>();  // the model may still work on it when nobody waits any more
    {
      // A parsed body takes many times the room of its text: one at a time.
      const std::lock_guard lock(reading_);
      asked->request = read_completion_request(body, model_, options_.defaults, options_.limits);
    }
    if (asked->request.model.empty()) asked->request.model = models_.names().front();
    asked->overlays = models_.overlays(asked->request.model);
    const auto job = queue_.add([this, asked](const std::function<void()>& poll) {
      asked->completions = complete(model_, asked->request, asked->overlays, options_.token_budget, poll);
    });
    if (!job)
      throw ApiError(503, queue_.is_closed()
                              ? "the server is stopping"
                              : fmt::format("{} requests wait already: try again later", options_.waiting));
    await(job, ClientSocket(http.remote_addr, http.remote_port), deadline);
    return completion_json(asked->request, asked->completions, model_.tokenizer(),
                           {fmt::format("cmpl-{}", ++numbers_), asked->request.model, std::time(nullptr)});
  }

  void await(const std::shared_ptr<JobQueue::Job>& job, const ClientSocket& client,
             Clock::time_point deadline) {
    while (!queue_.wait(job, kTick)) {
      const bool is_gone = client.is_gone();
      if (!is_gone && Clock::now() < deadline) continue;
      queue_.drop(job);
      if (is_gone) throw ClientGone();
      throw ApiError(504, fmt::format("the answer was not there within {} s", options_.seconds));
    }
  }

  const Model& model_;
  const ServedModels& models_;
  const ServeOptions options_;
  JobQueue queue_;
  std::unique_ptr<ConnectionThreads> threads_;  // until the server takes them
  httplib::Server server_;
  std::string listener_error_;  // read once has_listened_ is set
  std::atomic<bool> has_listened_ = false;
  socket_t socket_ = INVALID_SOCKET;
  int port_ = 0;
  bool is_stopping_ = false;  // of the thread that works
  std::mutex reading_;
  std::mutex active_mutex_;
  std::condition_variable nobody_;
  std::int64_t active_ = 0;
  std::atomic<std::int64_t> numbers_ = 0, answered_ = 0, refused_ = 0, failed_ = 0, vanished_ = 0;
};

}  // namespace

ServeOutcome serve(const Model& model, const ServedModels& models, const ServeOptions& options,
                   const std::function<void(const std::string& address)>& ready,
                   const std::function<bool()>& stop) {
  return CompletionServer(model, models, options).run(ready, stop);
}

}  // namespace emend
