#include "serve/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "serve/api_error.h"
#include "serve/request_body.h"
#include "served_world.h"

namespace emend {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using testing::HasSubstr;

const char* const kQuestion = R"({"prompt": "Aldora", "max_tokens": 3, "temperature": 0})";

// A server in a thread of its own. While it is held it takes requests, and the model does not work on them.
class Served {
 public:
  explicit Served(ServeOptions options = {}) : model_(test::load_world("llama")) {
    patches_ = {test::random_patch(model_, "a.safetensors", 1, 1),
                test::random_patch(model_, "b.safetensors", 2, 2),
                test::random_patch(model_, "c.safetensors", 1, 1)};
    options.port = 0;
    options.defaults.front = resolve_bos(model_.tokenizer(), "auto");
    std::promise<std::string> address;
    auto ready = address.get_future();
    thread_ = std::thread([this, options, &address] {
      const ServedModels models(model_, patches_);
      outcome_ = serve(
          model_, models, options, [&](const std::string& where) { address.set_value(where); },
          [this] {
            for (is_held_ = held_.load(); held_;) std::this_thread::sleep_for(milliseconds(1));
            return stop_.load();
          });
    });
    const std::string where = ready.get();
    port_ = std::stoi(where.substr(where.rfind(':') + 1));
  }
  ~Served() { stop(); }

  int port() const { return port_; }
  httplib::Client client() const {
    httplib::Client made("127.0.0.1", port_);
    made.set_read_timeout(60);
    return made;
  }
  void hold() {
    held_ = true;
    while (!is_held_) std::this_thread::sleep_for(milliseconds(1));
  }
  void release() { held_ = false; }
  void ask_to_stop() { stop_ = true; }
  // Waits for the end; what it tells.
  ServeOutcome stop() {
    stop_ = true;
    held_ = false;
    if (thread_.joinable()) thread_.join();
    return outcome_;
  }

  // Status and body.
  std::pair<int, json> post(const std::string& body) const {
    const auto result = client().Post("/v1/completions", body, "application/json");
    if (!result) return {-1, {}};
    return {result->status, json::parse(result->body, nullptr, false)};
  }
  std::pair<int, json> get(const std::string& path) const {
    const auto result = client().Get(path);
    if (!result) return {-1, {}};
    return {result->status, json::parse(result->body, nullptr, false)};
  }
  bool wait_for_waiting(std::size_t count) const {
    for (int i = 0; i < 500; ++i, std::this_thread::sleep_for(milliseconds(10)))
      if (get("/health").second["waiting"] == count) return true;
    return false;
  }

 private:
  Model model_;
  std::vector<NamedPatch> patches_;
  std::atomic<bool> stop_ = false, held_ = false, is_held_ = false;
  ServeOutcome outcome_;
  int port_ = 0;
  std::thread thread_;
};

std::string question_to(const std::string& model) {
  json body = json::parse(kQuestion);
  body["model"] = model;
  body["logprobs"] = 1;
  return body.dump();
}

// A connection that sends a request and reads nothing.
class SilentClient {
 public:
  SilentClient(int port, const std::string& text) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0) say(text);
  }
  void say(const std::string& text) {
    is_sent_ = send(socket_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  ~SilentClient() { vanish(); }
  bool is_sent() const { return is_sent_; }
  // All that the server says before it closes the connection.
  std::string read_all() const {
    std::string text;
    char part[1024];
    for (ssize_t count = 0; (count = recv(socket_, part, sizeof(part), 0)) > 0;)
      text.append(part, static_cast<std::size_t>(count));
    return text;
  }
  void vanish() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }

 private:
  int socket_;
  bool is_sent_ = false;
};

std::string as_http(const std::string& body) {
  return "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

TEST(HttpServer, EachPatchIsAModelOfItsOwn) {
  const Served served;
  const auto [status, list] = served.get("/v1/models");
  EXPECT_EQ(status, 200);
  ASSERT_EQ(list["data"].size(), 4u);
  EXPECT_EQ(list["data"][3]["id"], "c");
  EXPECT_EQ(served.get("/v1/models/b").second["id"], "b");
  std::set<std::string> answers;
  for (const char* name : {"llama", "a", "b", "a+b"}) {
    const auto [code, answer] = served.post(question_to(name));
    EXPECT_EQ(code, 200) << answer;
    EXPECT_EQ(answer["model"], name);
    EXPECT_EQ(answer["choices"][0]["logprobs"]["tokens"].size(), 3u);
    answers.insert(answer["choices"][0]["logprobs"].dump());
    EXPECT_EQ(served.post(question_to(name)).second["choices"], answer["choices"]);
  }
  EXPECT_EQ(answers.size(), 4u);
}

TEST(HttpServer, RefusesInTheFormOfTheApi) {
  ServeOptions options;
  options.body_bytes = 2000;
  Served served(options);
  const auto message = [](const json& body) { return body["error"]["message"].get<std::string>(); };
  auto [status, body] = served.post(R"({"prompt": [[3, 99999]]})");
  EXPECT_EQ(status, 400);
  EXPECT_EQ(body["error"]["param"], "prompt");
  EXPECT_EQ(body["error"]["type"], "invalid_request_error");
  EXPECT_THAT(message(body), HasSubstr("99999"));
  std::tie(status, body) = served.post(question_to("a+c"));
  EXPECT_EQ(status, 400);
  EXPECT_EQ(body["error"]["code"], "patches_do_not_stack");
  std::tie(status, body) = served.post(question_to("gpt-4"));
  EXPECT_EQ(status, 404);
  EXPECT_EQ(body["error"]["code"], "model_not_found");
  std::tie(status, body) = served.post("{\"prompt\": \"" + std::string(5'000'000, 'x') + "\"}");
  EXPECT_EQ(status, 413);
  EXPECT_THAT(message(body), HasSubstr("2000 bytes"));
  std::tie(status, body) = served.get("/v1/chat/completions");
  EXPECT_EQ(status, 404);
  EXPECT_THAT(message(body), HasSubstr("no GET /v1/chat/completions here"));
  EXPECT_EQ(served.get("/v1/models/nobody").first, 404);
  const auto form =
      served.client().Post("/v1/completions", httplib::MultipartFormDataItems{{"a", "b", "", ""}});
  ASSERT_TRUE(form);
  EXPECT_EQ(form->status, 415);
  EXPECT_EQ(served.post(kQuestion).first, 200);
  const ServeOutcome outcome = served.stop();
  EXPECT_EQ(outcome.answered, 1);
  EXPECT_EQ(outcome.refused, 5);
}

// A client that asks first need not send a body that is too long.
TEST(HttpServer, RefusesALongBodyBeforeItComes) {
  const Served served;
  const SilentClient client(served.port(),
                            "POST /v1/completions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                            "Content-Length: 5000000\r\n\r\n");
  EXPECT_THAT(client.read_all(),
              testing::AllOf(testing::StartsWith("HTTP/1.1 413"), HasSubstr("2000000 bytes")));
}

// Whether or not it comes.
TEST(HttpServer, RefusesABodyThatIsAnnouncedTooLong) {
  httplib::Request request;
  request.headers.emplace("Content-Length", "5000000");
  const auto begins = [](const httplib::ContentReceiver& receive) { return receive("{\"pro", 5) && false; };
  const httplib::ContentReader reader(begins, nullptr);
  const auto status_at = [&](std::size_t most) {
    try {
      read_body(request, reader, most);
    } catch (const ApiError& refusal) {
      return refusal.status();
    }
    return 200;
  };
  EXPECT_EQ(status_at(4'999'999), 413);
  EXPECT_EQ(status_at(5'000'000), 400) << "cut off";
}

TEST(HttpServer, DropsTheWorkOfClientsThatVanish) {
  Served served;
  served.hold();
  SilentClient client(served.port(), as_http(kQuestion));
  SilentClient half(served.port(), "POST /v1/completions HTTP/1.1\r\nContent-Length: 99\r\n\r\n{\"pro");
  ASSERT_TRUE(client.is_sent() && half.is_sent());
  ASSERT_TRUE(served.wait_for_waiting(1));
  client.vanish();
  half.vanish();
  EXPECT_TRUE(served.wait_for_waiting(0));
  served.release();
  EXPECT_EQ(served.post(kQuestion).first, 200);
  EXPECT_EQ(served.stop().vanished, 1);
}

TEST(HttpServer, RefusesWhatFindsNoRoomOrNoTime) {
  ServeOptions options;
  options.waiting = 1;
  options.seconds = 2;
  Served served(options);
  served.hold();
  auto first = std::async([&] { return served.post(kQuestion); });
  ASSERT_TRUE(served.wait_for_waiting(1));
  const auto refused = served.client().Post("/v1/completions", kQuestion, "application/json");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->get_header_value("Retry-After"), "1");
  EXPECT_EQ(json::parse(refused->body)["error"]["type"], "server_error");
  const auto [status, late] = first.get();
  EXPECT_EQ(status, 504);
  EXPECT_THAT(late["error"]["message"].get<std::string>(), HasSubstr("within 2 s"));
  EXPECT_EQ(served.stop().failed, 2);
}

// A body that comes slowly takes nothing of the time for its answer.
TEST(HttpServer, CountsTheTimeFromTheEndOfTheBody) {
  ServeOptions options;
  options.seconds = 3;
  Served served(options);
  served.hold();
  const std::string request = as_http(kQuestion);
  SilentClient client(served.port(), request.substr(0, request.size() - 5));
  std::this_thread::sleep_for(milliseconds(3200));
  client.say(request.substr(request.size() - 5));
  ASSERT_TRUE(served.wait_for_waiting(1));
  std::this_thread::sleep_for(milliseconds(150));  // the server looks at the time each 100 ms
  served.release();
  EXPECT_THAT(client.read_all(), testing::StartsWith("HTTP/1.1 200"));
}

TEST(HttpServer, AnswersWhatItHasAcceptedBeforeItStops) {
  Served served;
  served.hold();
  std::vector<std::future<std::pair<int, json>>> asked;
  for (int i = 0; i < 6; ++i)
    asked.push_back(std::async(std::launch::async, [&] { return served.post(kQuestion); }));
  ASSERT_TRUE(served.wait_for_waiting(6));
  EXPECT_EQ(served.stop().answered, 6);
  for (auto& one : asked) EXPECT_EQ(one.get().first, 200);
  EXPECT_EQ(served.post(kQuestion).first, -1);  // nobody listens any more
}

TEST(HttpServer, HearsTheStopWhileTheModelWorks) {
  Served served;
  served.hold();
  auto asked = std::async(std::launch::async, [&] {
    return served.post(R"({"prompt": "Aldora", "max_tokens": 100, "n": 128})").first;
  });
  ASSERT_TRUE(served.wait_for_waiting(1));
  served.release();
  ASSERT_TRUE(served.wait_for_waiting(0));  // the model has begun
  served.ask_to_stop();
  int status = 200;
  while (status == 200) status = served.get("/health").first;
  EXPECT_EQ(status, 503);
  EXPECT_EQ(served.post(kQuestion).first, 503);
  EXPECT_EQ(asked.wait_for(milliseconds(0)), std::future_status::timeout);
  EXPECT_EQ(asked.get(), 200);
  EXPECT_EQ(served.stop().answered, 1);
}

// An error ends the server at once, with an answer to the requests that wait.
TEST(HttpServer, DropsWhatWaitsWhenItFails) {
  const Model model = test::load_world("llama");
  const ServedModels models(model, {});
  ServeOptions options;
  options.port = 0;
  options.seconds = 20;
  int port = 0;
  std::future<int> asked;
  const auto fail = [&]() -> bool {
    asked = std::async(std::launch::async, [&] {
      const auto result = httplib::Client("127.0.0.1", port).Post("/v1/completions", kQuestion, "text/plain");
      return result ? result->status : -1;
    });
    for (int i = 0; i < 500; ++i, std::this_thread::sleep_for(milliseconds(10))) {
      const auto health = httplib::Client("127.0.0.1", port).Get("/health");
      if (health && json::parse(health->body)["waiting"] == 1) break;
    }
    throw Error(ErrorKind::kNumeric, "nothing goes on");
  };
  try {
    serve(
        model, models, options,
        [&](const std::string& where) { port = std::stoi(where.substr(where.rfind(':') + 1)); }, fail);
    FAIL() << "did not fail";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "nothing goes on");
  }
  EXPECT_EQ(asked.get(), 503);
}

TEST(HttpServer, DoesNotStartWithoutATokenizer) {
  const Model model = Model::load(test::data_path("parity/llama_gqa_tied"));
  const ServedModels models(model, {});
  ServeOptions options;
  options.port = 0;
  bool is_ready = false;
  try {
    serve(
        model, models, options, [&](const std::string&) { is_ready = true; }, [] { return true; });
    FAIL() << "started";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kModel);
  }
  EXPECT_FALSE(is_ready);
}

TEST(HttpServer, TakesNoPortThatIsInUse) {
  const Served served;
  const Model model = test::load_world("llama");
  const ServedModels models(model, {});
  ServeOptions options;
  options.port = served.port();
  try {
    serve(
        model, models, options, [](const std::string&) {}, [] { return true; });
    FAIL() << "listened twice";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
    EXPECT_THAT(error.what(), HasSubstr("cannot listen on 127.0.0.1"));
  }
}

}  // namespace
}  // namespace emend
