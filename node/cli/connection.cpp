#include "node/cli/connection.h"

#include <sys/stat.h>
#include <toml++/toml.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <istream>
#include <iterator>

#include "node/cli/limits.h"

namespace entente::node {
namespace {

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Error config_error(const std::string& path, const std::string& what) {
  return make_error(ErrorCode::config_invalid, path + ": " + what);
}

// [http] address and port; the rest of the file is the daemon's to check.
Outcome read_config(const std::string& path, HttpEndpoint& endpoint) {
  std::error_code absent;
  if (!std::filesystem::exists(path, absent)) return {};
  try {
    const toml::table config = toml::parse_file(path);
    endpoint.address = config["http"]["address"].value_or(endpoint.address);
    const auto port = config["http"]["port"].value_or<std::int64_t>(endpoint.port);
    if (port < 0 || port > 65'535) return config_error(path, "http.port is no port");
    endpoint.port = static_cast<std::uint16_t>(port);
  } catch (const toml::parse_error& fault) {
    return config_error(path, "line " + std::to_string(fault.source().begin.line) + ": " +
                                  std::string(fault.description()));
  }
  // Listening on every address includes this machine's own.
  if (endpoint.address == "0.0.0.0") endpoint.address = "127.0.0.1";
  if (endpoint.address == "::") endpoint.address = "::1";
  return {};
}

Result<std::string> administrator_token(const std::string& home) {
  const std::string path = home + "/admin.token";
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) {
    return make_error(ErrorCode::not_found, "there is no node at " + home + " (no admin.token)",
                      "make one with 'entente init', or name its folder with --home");
  }
  if ((about.st_mode & 077) != 0) {
    return make_error(ErrorCode::config_invalid, path + " can be read by other users",
                      "run 'chmod 600 " + path + "'; if others may have seen it, make a new one");
  }
  std::string token = trimmed(file_text(path));
  if (token.empty()) return config_error(path, "it is empty or unreadable");
  return token;
}

}  // namespace

std::string home_folder(const std::string& option, const Streams& streams) {
  if (!option.empty()) return option;
  if (streams.environment) {
    if (const auto home = streams.environment("ENTENTE_HOME"); home && !home->empty()) return *home;
    if (const auto user = streams.environment("HOME")) return *user + "/.entente";
  }
  return ".entente";
}

Result<HttpEndpoint> endpoint_of(const std::string& home, const std::string& token) {
  HttpEndpoint endpoint;
  endpoint.token = token;
  if (token.empty()) {
    auto administrator = administrator_token(home);
    if (!administrator) return std::move(administrator).error();
    endpoint.token = std::move(*administrator);
  }
  auto configured = read_config(home + "/entente.toml", endpoint);
  if (!configured) return std::move(configured).error();
  const std::string port_path = home + "/run/http.port";
  std::error_code absent;
  if (std::filesystem::exists(port_path, absent)) {
    const std::string text = trimmed(file_text(port_path));
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, endpoint.port);
    if (read.ec != std::errc{} || read.ptr != end) return config_error(port_path, "it is no port");
  }
  if (endpoint.port == 0) {
    return make_error(ErrorCode::node_not_running,
                      "the node at " + home + " chooses a free port when it starts");
  }
  return endpoint;
}

Result<std::string> read_whole(const std::string& path, Streams& streams, std::size_t limit) {
  std::ifstream file;
  std::istream* from = &streams.in;
  if (path != "-") {
    std::error_code fault;
    if (std::filesystem::is_directory(path, fault)) {
      return make_error(ErrorCode::input_unreadable, path + " is a folder", "name a file in it");
    }
    file.open(path, std::ios::binary);
    if (!file) {
      return make_error(ErrorCode::input_unreadable, "cannot open " + path,
                        "name a file that exists and that you may read");
    }
    from = &file;
  }
  std::string text(limit + 1, '\0');
  from->read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(from->gcount()));
  if (text.size() > limit) {
    return make_error(ErrorCode::payload_too_large,
                      path + " is longer than " + std::to_string(limit) + " bytes");
  }
  return text;
}

}  // namespace entente::node
