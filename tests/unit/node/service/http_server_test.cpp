#include "node/service/http_server.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <fstream>

#include "node/service/gzip.h"
#include "tests/unit/node/service/http_fixture.h"

namespace entente::node::test {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

// What most tests need: an echo, a named failure, a counter of streamed lines.
void usual_routes(RouteTable& table, RunningServer&) {
  Route large = make_route(Method::post, "/api/v1/large", Verb::ask, BodyKind::json_or_text,
                           [](const Call& call) -> awaitable<Result<Reply>> {
                             co_return Reply::json(json::object{{"size", call.body.size()},
                                                                {"parsed", call.json.is_object()}});
                           });
  large.body_bytes = 50'000;
  table.add(std::move(large));
  table.add(make_route(Method::get, "/api/v1/twins/{id}", Verb::read_twins, BodyKind::none,
                       [](const Call& call) -> awaitable<Result<Reply>> {
                         json::object out{{"id", call.path.at("id")}, {"by", call.subject.name}};
                         if (!call.parameter("q").empty()) out["q"] = call.parameter("q");
                         co_return Reply::json(out);
                       }));
  table.add(make_route(Method::get, "/api/v1/twins", Verb::read_twins, BodyKind::none,
                       [](const Call& call) -> awaitable<Result<Reply>> {
                         auto page = page_of(call);
                         if (!page) co_return std::move(page).error();
                         co_return Reply::json(json::object{{"limit", page->limit},
                                                            {"after", page->after},
                                                            {"next", cursor_after("twin-9")}});
                       }));
  table.add(
      make_route(Method::post, "/api/v1/echo", Verb::ask, BodyKind::json,
                 [](const Call& call) -> awaitable<Result<Reply>> {
                   auto text = call.text_field("text");
                   if (!text) co_return std::move(text).error();
                   co_return Reply::json(json::object{{"text", *text}, {"dry", call.dry_run}});
                 }));
  table.add(make_route(
      Method::post, "/api/v1/readings", Verb::write_readings, BodyKind::lines,
      [](const Call& call) -> awaitable<Result<Reply>> {
        std::size_t lines = 0, bytes = 0, pieces = 0;
        while (true) {
          auto part = co_await call.lines->next_lines();
          if (!part) co_return std::move(part).error();
          if (part->empty()) break;
          lines += count_of(*part, "\n");
          bytes += part->size();
          ++pieces;
        }
        co_return Reply::json(json::object{{"lines", lines}, {"bytes", bytes}, {"pieces", pieces}});
      }));
  table.add(make_route(Method::get, "/api/v1/broken/{how}", Verb::read_twins, BodyKind::none,
                       [](const Call& call) -> awaitable<Result<Reply>> {
                         if (call.path.at("how") == "throws")
                           throw std::runtime_error("secret text");
                         co_return make_error(ErrorCode::budget_exhausted, "day 3 has 0 left");
                       }));
  table.add(make_route(Method::get, "/api/v1/stream/{how}", Verb::read_twins, BodyKind::none,
                       [](const Call& call) -> awaitable<Result<Reply>> {
                         Reply reply;
                         const bool breaks = call.path.at("how") == "breaks";
                         reply.stream = [breaks,
                                         n = 0]() mutable -> awaitable<Result<std::string>> {
                           if (++n <= 3) co_return "part " + std::to_string(n) + "\n";
                           if (breaks) co_return make_error(ErrorCode::internal, "broken");
                           co_return std::string();
                         };
                         co_return reply;
                       }));
}

HttpClient::Request post(std::string target, std::string body) {
  HttpClient::Request request;
  request.method = "POST";
  request.target = std::move(target);
  request.body = std::move(body);
  return request;
}

}  // namespace

TEST_SUITE("node/http_server") {
  TEST_CASE("a call reaches its handler with decoded parameters, and its reply comes back") {
    RunningServer server(usual_routes);
    auto client = server.client();
    auto value = client.get("/api/v1/twins/a%2Fb%20c?q=x%26y");
    REQUIRE(value.has_value());
    CHECK(json::serialize(*value) == R"({"id":"a/b c","by":"admin","q":"x&y"})");
    auto echoed = client.post("/api/v1/echo?dryRun=1", json::object{{"text", "ä"}});
    REQUIRE(echoed.has_value());
    CHECK(json::serialize(*echoed) == R"({"text":"ä","dry":true})");
  }

  TEST_CASE("every reply carries the security headers and no CORS header") {
    RunningServer server(usual_routes);
    auto client = server.client();
    for (const char* target : {"/api/v1/twins/1", "/nothing", "/api/v1/broken/throws"}) {
      CAPTURE(target);
      HttpClient::Request request;
      request.target = target;
      request.headers = {{"Origin", "http://evil.example"}};
      auto response = client.send(request);
      REQUIRE(response.has_value());
      CHECK(response->header("x-content-type-options") == "nosniff");
      CHECK(response->header("cache-control") == "no-store");
      CHECK(response->header("content-security-policy") ==
            "default-src 'none'; frame-ancestors 'none'");
      CHECK_FALSE(response->header("x-request-id").empty());
      CHECK_FALSE(response->header("date").empty());
      for (const auto& [name, text] : response->headers) {
        CHECK_FALSE(name.starts_with("access-control-"));
      }
    }
  }

  TEST_CASE("an error becomes problem+json, word for word") {
    RunningServer server(usual_routes);
    auto client = server.client();
    HttpClient::Request request;
    request.target = "/api/v1/broken/budget";
    auto response = client.send(request);
    REQUIRE(response.has_value());
    CHECK(response->status == 409);
    CHECK(response->header("content-type") == "application/problem+json");
    const std::string id(response->header("x-request-id"));
    CHECK(response->body ==
          R"({"type":"urn:entente:error:ENT-5001","title":"budget exhausted","status":409,)"
          R"("detail":"day 3 has 0 left","code":"ENT-5001","name":"budget_exhausted",)"
          R"("what":"day 3 has 0 left","remedy":"ask for less, or about other blocks",)"
          R"("request_id":")" +
              id + R"("})");
    auto error = client.call(request);
    REQUIRE_FALSE(error.has_value());
    CHECK(error.error().code == ErrorCode::budget_exhausted);
    CHECK(error.error().what == "day 3 has 0 left");
  }

  TEST_CASE("an exception becomes ENT-1009 and its text stays inside") {
    RunningServer server(usual_routes);
    auto client = server.client();
    HttpClient::Request request;
    request.target = "/api/v1/broken/throws";
    auto response = client.send(request);
    REQUIRE(response.has_value());
    CHECK(response->status == 500);
    CHECK(response->body.find("ENT-1009") != std::string::npos);
    CHECK(response->body.find("secret text") == std::string::npos);
    CHECK(client.get("/api/v1/twins/1").has_value());  // the connection and the node live on
  }

  TEST_CASE("without a right token nothing but the open routes answers") {
    RunningServer server([](RouteTable& table, RunningServer& self) {
      usual_routes(table, self);
      add_health_routes(table, {});
    });
    for (const char* token : {"", "wrong", "a-token-of-the-test", "a-token-of-the-testsX"}) {
      CAPTURE(token);
      auto client = server.client(token);
      auto refused = client.get("/api/v1/twins/1");
      REQUIRE_FALSE(refused.has_value());
      CHECK(refused.error().code == ErrorCode::unauthenticated);
      CHECK_FALSE(client.get("/metrics").has_value());
      HttpClient::Request live;
      live.target = "/livez";
      CHECK(client.send(live)->status == 200);
    }
    RawSocket raw(server.port);
    raw.send("GET /api/v1/twins/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const std::string reply = raw.read_all();
    CHECK(status_of(reply) == 401);
    CHECK(reply.find("WWW-Authenticate: Bearer") != std::string::npos);
  }

  TEST_CASE("a subject without the verb is refused before its body is read") {
    RunningServer server(usual_routes);
    auto reader = server.client("a-reader");
    CHECK(reader.get("/api/v1/twins/1").has_value());
    auto refused = reader.post("/api/v1/echo", json::object{{"text", "x"}});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::denied);
    CHECK(refused.error().what == "reader may not ask");
    // Announces a body, never sends it, and is answered all the same.
    RawSocket raw(server.port);
    raw.send(
        "POST /api/v1/echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a-reader\r\n"
        "Content-Length: 1000\r\n\r\n");
    CHECK(status_of(raw.read_until("\r\n\r\n")) == 403);
  }

  TEST_CASE("a Host header that does not name this node is refused") {
    RunningServer server(usual_routes);
    const auto status_with = [&](std::string_view host_lines) {
      RawSocket raw(server.port);
      raw.send("GET /api/v1/twins/1 HTTP/1.1\r\nAuthorization: Bearer " + kToken + "\r\n" +
               std::string(host_lines) + "Connection: close\r\n\r\n");
      return status_of(raw.read_all());
    };
    CHECK(status_with("Host: evil.example\r\n") == 421);
    CHECK(status_with("Host: localhost.evil.example:8470\r\n") == 421);
    CHECK(status_with("Host: 127.0.0.1.nip.io\r\n") == 421);
    CHECK(status_with("Host: localhost\r\nHost: evil.example\r\n") == 421);
    CHECK(status_with("") == 421);
    CHECK(status_with("Host: LOCALHOST:99\r\n") == 200);
    CHECK(status_with("Host: 127.0.0.1\r\n") == 200);
    CHECK(status_with("Host: [::1]:8470\r\n") == 200);
    CHECK(status_with("Host: twin.example\r\n") == 200);  // configured
  }

  TEST_CASE("404 suggests, 405 and OPTIONS say what is allowed, HEAD has no body") {
    RunningServer server(usual_routes);
    auto client = server.client();
    auto missing = client.get("/api/v1/twin");
    REQUIRE_FALSE(missing.has_value());
    CHECK(missing.error().code == ErrorCode::not_found);
    CHECK(missing.error().remedy.find("'/api/v1/twins'") != std::string::npos);

    HttpClient::Request request;
    request.method = "DELETE";
    request.target = "/api/v1/twins/1";
    auto refused = client.send(request);
    CHECK(refused->status == 405);
    CHECK(refused->header("allow") == "GET, HEAD, OPTIONS");
    request.method = "BREW";
    CHECK(client.send(request)->status == 405);
    request.method = "OPTIONS";
    auto options = client.send(request);
    CHECK(options->status == 204);
    CHECK(options->header("allow") == "GET, HEAD, OPTIONS");
    request.method = "HEAD";
    auto head = client.send(request);
    REQUIRE(head.has_value());
    CHECK(head->status == 200);
    CHECK(head->body.empty());
    CHECK(head->header("content-length") == "23");
    request.method = "GET";
    CHECK(client.send(request)->body.size() == 23);
  }

  TEST_CASE("bad parameters and bodies are refused with the place") {
    RunningServer server(usual_routes);
    auto client = server.client();
    const auto error_of = [&](const HttpClient::Request& request) {
      auto outcome = client.call(request);
      REQUIRE_FALSE(outcome.has_value());
      return outcome.error();
    };
    CHECK(error_of(post("/api/v1/echo", "{\"text\": }")).what.find("near byte 9") !=
          std::string::npos);
    CHECK(error_of(post("/api/v1/echo", "{\"text\":\"x\"} trailing")).code ==
          ErrorCode::invalid_argument);
    CHECK(error_of(post("/api/v1/echo", std::string(1'000, '['))).code ==
          ErrorCode::invalid_argument);
    CHECK(error_of(post("/api/v1/echo", "{}")).what == "the field 'text' is missing");
    CHECK(error_of(post("/api/v1/echo", "{\"text\":3}")).what == "the field 'text' must be a text");
    CHECK(error_of(post("/api/v1/echo?dryRun=maybe", "{}")).what == "dryRun must be 1 or 0");
    auto typed = post("/api/v1/echo", "{}");
    typed.content_type = "text/plain";
    CHECK(client.send(typed)->status == 415);
    auto encoded = post("/api/v1/echo", "{}");
    encoded.headers = {{"Content-Encoding", "br"}};
    CHECK(client.send(encoded)->status == 415);
    HttpClient::Request with_body;
    with_body.target = "/api/v1/twins/1";
    with_body.body = "{}";
    CHECK(client.send(with_body)->status == 400);
  }

  TEST_CASE("pages: limits are checked and a cursor comes back as it went") {
    RunningServer server(usual_routes);
    auto client = server.client();
    auto first = client.get("/api/v1/twins?limit=2");
    REQUIRE(first.has_value());
    const std::string next(first->at("next").as_string());
    auto second = client.get("/api/v1/twins?limit=1000&cursor=" + next);
    REQUIRE(second.has_value());
    CHECK(second->at("after").as_string() == "twin-9");
    for (const char* bad :
         {"limit=0", "limit=1001", "limit=x", "limit=3x", "cursor=!!", "cursor=AAAA"}) {
      CAPTURE(bad);
      auto refused = client.get(std::string("/api/v1/twins?") + bad);
      REQUIRE_FALSE(refused.has_value());
      CHECK(refused.error().code == ErrorCode::invalid_argument);
    }
  }

  TEST_CASE("a long body of lines is streamed in whole lines, plain and gzipped") {
    RunningServer server(usual_routes);
    auto client = server.client();
    std::string lines;
    for (int i = 0; i < 200'000; ++i) lines += "{\"line\":" + std::to_string(i) + "}\n";
    auto plain = post("/api/v1/readings", lines);
    plain.content_type = "application/x-ndjson";
    auto counted = client.call(plain);
    REQUIRE(counted.has_value());
    CHECK(counted->at("lines").to_number<int>() == 200'000);
    CHECK(counted->at("bytes").to_number<std::size_t>() == lines.size());
    CHECK(counted->at("pieces").to_number<std::size_t>() >= lines.size() / 65'536);
    auto packed = plain;
    packed.body = gzip(lines);
    packed.headers = {{"Content-Encoding", "gzip"}};
    counted = client.call(packed);
    REQUIRE(counted.has_value());
    CHECK(counted->at("bytes").to_number<std::size_t>() == lines.size());
    packed.body = gzip("a\n") + gzip("b\n");
    CHECK(client.call(packed)->at("lines").to_number<int>() == 2);
    packed.body.resize(packed.body.size() - 4);
    CHECK(client.call(packed).error().what == "the gzip body is cut short");
    packed.body = "no gzip at all\n";
    CHECK(client.call(packed).error().code == ErrorCode::invalid_argument);
    plain.body = std::string(100'000, 'x');
    CHECK(client.call(plain).error().code == ErrorCode::payload_too_large);
  }

  TEST_CASE("bodies beyond their limit are refused, gzip bombs among them") {
    HttpLimits limits;
    limits.json_bytes = 10'000;
    limits.lines_bytes = 300'000;
    RunningServer server(usual_routes, limits);
    auto client = server.client();
    const auto code_of = [&](const HttpClient::Request& request) {
      auto outcome = client.call(request);
      return outcome ? std::string("accepted") : std::string(code_name(outcome.error().code));
    };
    const std::string filler(8'000, 'x');
    CHECK(code_of(post("/api/v1/echo", "{\"text\":\"" + filler + "\"}")) == "accepted");
    CHECK(code_of(post("/api/v1/echo", "{\"text\":\"" + filler + filler + "\"}")) ==
          "payload_too_large");
    CHECK(code_of(post("/api/v1/readings", std::string(300'000, '\n'))) == "accepted");
    CHECK(code_of(post("/api/v1/readings", std::string(300'001, '\n'))) == "payload_too_large");
    // A route may allow more for itself, and takes text as text.
    auto text = post("/api/v1/large", std::string(50'000, '{'));
    text.content_type = "text/toml";
    CHECK(code_of(text) == "accepted");
    text.body += "{";
    CHECK(code_of(text) == "payload_too_large");
    CHECK(client.call(post("/api/v1/large", "{}"))->at("parsed").as_bool());
    auto bomb = post("/api/v1/readings", gzip(std::string(200'000'000, '\n')));
    bomb.headers = {{"Content-Encoding", "gzip"}};
    CHECK(bomb.body.size() < 1'000'000);
    CHECK(code_of(bomb) == "payload_too_large");
    bomb.body = gzip(std::string(250'000, '\n'));
    CHECK(code_of(bomb) == "accepted");
    // The same without a length: chunks that never end.
    RawSocket raw(server.port);
    raw.send(request("POST /api/v1/readings", "Transfer-Encoding: chunked\r\n"));
    const std::string chunk = "10000\r\n" + std::string(0x10000 - 1, 'x') + "\n\r\n";
    for (int i = 0; i < 10 && raw.send(chunk); ++i) continue;
    CHECK(status_of(raw.read_until("\r\n\r\n")) == 413);
  }

  TEST_CASE("headers beyond 16 KiB get 431, nonsense gets 400, and the node lives") {
    RunningServer server(usual_routes);
    {
      RawSocket raw(server.port);
      raw.send(request("GET /api/v1/twins/1", "X-Long: " + std::string(20'000, 'x') + "\r\n"));
      CHECK(status_of(raw.read_all()) == 431);
      CHECK(raw.closed);
    }
    for (const char* nonsense : {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "GET\r\n\r\n",
                                 "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nbroken\r\n\r\n"}) {
      CAPTURE(nonsense);
      RawSocket raw(server.port);
      raw.send(nonsense);
      raw.close_sending();
      const std::string reply = raw.read_all();
      CHECK((reply.empty() || status_of(reply) == 400));
      CHECK(raw.closed);
    }
    // Two lengths, or a length and chunks: how requests are smuggled past a proxy.
    for (const char* headers : {"Content-Length: 2\r\nContent-Length: 3\r\n",
                                "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"}) {
      RawSocket raw(server.port);
      raw.send(request("POST /api/v1/echo", headers) + "{}");
      CHECK(status_of(raw.read_all()) == 400);
    }
    CHECK(server.client().get("/api/v1/twins/1").has_value());
  }

  TEST_CASE("slow clients are cut: silent, slow header, slow body, never reading") {
    HttpLimits limits;
    limits.header_time = milliseconds(150);
    limits.idle = milliseconds(150);
    limits.chunk_time = milliseconds(150);
    limits.write_time = milliseconds(150);
    RunningServer server(
        [](RouteTable& table, RunningServer& self) {
          usual_routes(table, self);
          table.add(make_route(Method::get, "/big", Verb::read_twins, BodyKind::none,
                               [](const Call&) -> awaitable<Result<Reply>> {
                                 co_return Reply::text(std::string(64 << 20, 'x'));
                               }));
        },
        limits);
    RawSocket silent(server.port);
    RawSocket header(server.port);
    RawSocket body(server.port);
    RawSocket reader(server.port);
    header.send("GET /api/v1/twins/1 HTTP/1.1\r\nHost:");
    body.send(request("POST /api/v1/echo", "Content-Length: 100\r\n") + "{");
    reader.send(request("GET /big"));
    CHECK(silent.read_all().empty());
    CHECK(silent.closed);
    header.read_all();
    CHECK(header.closed);
    body.read_all();
    CHECK(body.closed);
    // Reads nothing until the server has given up.
    for (int i = 0; i < 500 && server.on_loop([&] { return server.server->connections(); }) > 0;
         ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(server.on_loop([&] { return server.server->connections(); }) == 0);
    CHECK(reader.read_all().size() < (64u << 20));
    const std::string metrics = server.metrics_now();
    for (const char* reason : {"slow_header", "slow_body", "slow_reader"}) {
      CAPTURE(reason);
      CHECK(metrics.find("entente_http_cut_total{reason=\"" + std::string(reason) + "\"} 1") !=
            std::string::npos);
    }
  }

  TEST_CASE("connections beyond the cap are told so, and places become free again") {
    HttpLimits limits;
    limits.connections = 3;
    RunningServer server(usual_routes, limits);
    {
      std::vector<std::unique_ptr<RawSocket>> held;
      for (int i = 0; i < 3; ++i) {
        held.push_back(std::make_unique<RawSocket>(server.port));
        held.back()->send(request("GET /api/v1/twins/1"));
        CHECK(status_of(held.back()->read_until("\r\n\r\n")) == 200);
      }
      RawSocket fourth(server.port);
      const std::string reply = fourth.read_until("}");
      CHECK(status_of(reply) == 503);
      CHECK(reply.find("ENT-1007") != std::string::npos);
      CHECK(reply.find("Retry-After: 1") != std::string::npos);
    }
    for (int i = 0; i < 500 && server.on_loop([&] { return server.server->connections(); }) > 0;
         ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(server.client().get("/api/v1/twins/1").has_value());
  }

  TEST_CASE("pipelined requests are answered in order, a half-closed client still gets its reply") {
    RunningServer server(usual_routes);
    RawSocket raw(server.port);
    std::string all;
    for (int i = 0; i < 20; ++i) all += request("GET /api/v1/twins/n" + std::to_string(i));
    raw.send(all + request("POST /api/v1/echo", "", "{\"text\":\"last\"}"));
    raw.close_sending();
    const std::string replies = raw.read_all();
    CHECK(raw.closed);
    CHECK(count_of(replies, "HTTP/1.1 200 OK") == 21);
    std::size_t at = 0;
    for (int i = 0; i < 20; ++i) {
      const std::size_t next = replies.find("\"n" + std::to_string(i) + "\"", at);
      REQUIRE(next != std::string::npos);
      at = next;
    }
    CHECK(replies.find("\"last\"", at) != std::string::npos);
  }

  TEST_CASE("Expect: 100-continue is told to go on, but only after the checks") {
    RunningServer server(usual_routes);
    RawSocket raw(server.port);
    const std::string body = "{\"text\":\"x\"}";
    raw.send(request("POST /api/v1/echo", "Expect: 100-continue\r\nContent-Length: " +
                                              std::to_string(body.size()) + "\r\n"));
    CHECK(raw.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
    raw.send(body);
    CHECK(status_of(raw.read_until("\r\n\r\n")) == 200);
    RawSocket refused(server.port);
    refused.send(
        "POST /api/v1/echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        "Content-Length: 5\r\n\r\n");
    CHECK(status_of(refused.read_until("\r\n\r\n")) == 401);
  }

  TEST_CASE("a streamed reply ends whole, and a broken one is cut, never ended") {
    RunningServer server(usual_routes);
    RawSocket whole(server.port);
    whole.send(request("GET /api/v1/stream/whole", "Connection: close\r\n"));
    std::string reply = whole.read_all();
    CHECK(reply.find("Transfer-Encoding: chunked") != std::string::npos);
    CHECK(reply.find("part 3\n") != std::string::npos);
    CHECK(reply.ends_with("0\r\n\r\n"));
    RawSocket broken(server.port);
    broken.send(request("GET /api/v1/stream/breaks"));
    reply = broken.read_all();
    CHECK(broken.closed);
    CHECK(reply.find("part 3\n") != std::string::npos);
    CHECK_FALSE(reply.ends_with("0\r\n\r\n"));
    RawSocket old(server.port);
    old.send("GET /api/v1/stream/whole HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer " +
             kToken + "\r\n\r\n");
    reply = old.read_all();
    CHECK(old.closed);
    CHECK(reply.find("chunked") == std::string::npos);
    CHECK(reply.ends_with("\r\n\r\npart 1\npart 2\npart 3\n"));
  }

  TEST_CASE("a taken port is refused with the port's name") {
    RunningServer server(usual_routes);
    HttpConfig config;
    config.port = server.port;
    auto second = HttpServer::start(
        server.loop, config,
        {server.routes, server.users, server.metrics, server.clock, server.random});
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().code == ErrorCode::port_in_use);
    CHECK(second.error().what.find(std::to_string(server.port)) != std::string::npos);
    config.address = "nowhere";
    second = HttpServer::start(
        server.loop, config,
        {server.routes, server.users, server.metrics, server.clock, server.random});
    CHECK(second.error().code == ErrorCode::config_invalid);
  }

  TEST_CASE("a stop lets the reply under way finish, closes the idle and accepts nobody") {
    std::promise<void> begun;
    RunningServer server([&](RouteTable& table, RunningServer& self) {
      usual_routes(table, self);
      table.add(make_route(Method::get, "/slow", Verb::read_twins, BodyKind::none,
                           [&](const Call&) -> awaitable<Result<Reply>> {
                             begun.set_value();
                             boost::asio::steady_timer timer(self.loop,
                                                             std::chrono::milliseconds(100));
                             co_await timer.async_wait(boost::asio::use_awaitable);
                             co_return Reply::text("finished");
                           }));
    });
    RawSocket idle(server.port);
    idle.send(request("GET /api/v1/twins/1"));
    idle.read_until("}");
    RawSocket busy(server.port);
    busy.send(request("GET /slow"));
    begun.get_future().wait();
    std::promise<void> stopped;
    server.on_loop([&] { server.server->stop(seconds(5), [&] { stopped.set_value(); }); });
    CHECK(idle.read_all().empty());
    CHECK(idle.closed);
    const std::string reply = busy.read_all();
    CHECK(reply.ends_with("finished"));
    CHECK(reply.find("Connection: close") != std::string::npos);
    CHECK(stopped.get_future().wait_for(std::chrono::seconds(5)) == std::future_status::ready);
    auto late = server.client().get("/api/v1/twins/1");
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().code == ErrorCode::node_not_running);
    server.on_loop([&] { server.server.reset(); });
  }

  TEST_CASE("a stop's grace ends a reply that does not") {
    std::promise<void> begun;
    RunningServer server([&](RouteTable& table, RunningServer& self) {
      table.add(make_route(
          Method::get, "/endless", Verb::read_twins, BodyKind::none,
          [&](const Call&) -> awaitable<Result<Reply>> {
            Reply reply;
            reply.stream = [&, first = true]() mutable -> awaitable<Result<std::string>> {
              if (std::exchange(first, false)) begun.set_value();
              boost::asio::steady_timer timer(self.loop, std::chrono::milliseconds(5));
              co_await timer.async_wait(boost::asio::use_awaitable);
              co_return std::string("more\n");
            };
            co_return reply;
          }));
    });
    RawSocket raw(server.port);
    raw.send(request("GET /endless"));
    begun.get_future().wait();
    std::promise<void> stopped;
    server.on_loop([&] { server.server->stop(milliseconds(50), [&] { stopped.set_value(); }); });
    CHECK(stopped.get_future().wait_for(std::chrono::seconds(5)) == std::future_status::ready);
    raw.read_all();
    CHECK(raw.closed);
    server.on_loop([&] { server.server.reset(); });
  }

  TEST_CASE("health: live always, ready by its checks, details only behind the token") {
    CheckState disk = CheckState::ok;
    RunningServer server([&](RouteTable& table, RunningServer&) {
      add_health_routes(table, {{"store", [] { return CheckResult{}; }},
                                {"disk",
                                 [&] {
                                   return CheckResult{disk, "private detail", "x"};
                                 }},
                                {"links", []() -> CheckResult {
                                   return {CheckState::warn, "one is down", "entente link list"};
                                 }}});
    });
    auto client = server.client("");
    const auto get = [&](const char* target) {
      HttpClient::Request request;
      request.target = target;
      return *client.send(request);
    };
    CHECK(get("/readyz").status == 200);
    CHECK(get("/readyz").body == "ready\n");
    server.on_loop([&] { disk = CheckState::fail; });
    CHECK(get("/readyz").status == 503);
    CHECK(get("/readyz?verbose").body == "[+]store ok\n[-]disk fail\n[!]links warn\nnot ready\n");
    CHECK(get("/livez").status == 200);
  }

  TEST_CASE("metrics have bounded labels") {
    RunningServer server(usual_routes);
    auto client = server.client();
    for (int i = 0; i < 50; ++i) {
      (void)client.get("/api/v1/twins/" + std::to_string(i));
      (void)client.get("/invented/" + std::to_string(i));
    }
    HttpClient::Request request;
    request.method = "INVENTED";
    request.target = "/x";
    (void)client.send(request);
    request.method = "GET";
    request.target = "/metrics";
    auto response = client.send(request);
    REQUIRE(response.has_value());
    CHECK(response->header("content-type") == "text/plain; version=0.0.4; charset=utf-8");
    CHECK(count_of(response->body, "entente_http_requests_total{") == 3);
    CHECK(response->body.find("route=\"/api/v1/twins/{id}\",status=\"2xx\"} 50") !=
          std::string::npos);
    CHECK(response->body.find("route=\"other\",status=\"4xx\"} 50") != std::string::npos);
    CHECK(response->body.find("method=\"other\"") != std::string::npos);
    CHECK(response->body.find("entente_http_connections 1") != std::string::npos);
  }

  TEST_CASE("the client: nobody there, no answer in time, a kept connection that was closed") {
    HttpClient nobody({"127.0.0.1", 1, ""}, seconds(1));
    auto refused = nobody.get("/");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::node_not_running);
    CHECK(refused.error().advice().find("entente serve") != std::string::npos);

    HttpLimits limits;
    limits.idle = milliseconds(50);
    RunningServer server(
        [](RouteTable& table, RunningServer& self) {
          usual_routes(table, self);
          table.add(make_route(Method::get, "/late", Verb::read_twins, BodyKind::none,
                               [&self](const Call&) -> awaitable<Result<Reply>> {
                                 boost::asio::steady_timer timer(self.loop,
                                                                 std::chrono::seconds(1));
                                 co_await timer.async_wait(boost::asio::use_awaitable);
                                 co_return Reply::no_content();
                               }));
        },
        limits);
    auto client = server.client();
    CHECK(client.get("/api/v1/twins/1").has_value());
    for (int i = 0; i < 500 && server.on_loop([&] { return server.server->connections(); }) > 0;
         ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(client.get("/api/v1/twins/2").has_value());
    auto late = server.client(kToken, milliseconds(100)).get("/late");
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().code == ErrorCode::deadline_exceeded);
  }
}

}  // namespace entente::node::test
