#include "node/cli/secret_prompt.h"

#include <termios.h>
#include <unistd.h>

#include <istream>
#include <ostream>

#include "node/cli/connection.h"
#include "node/cli/terminal_text.h"

namespace entente::node {
namespace {

constexpr std::size_t kSecretMost = 65'536;

// While it lives, what is typed is not shown.
class Unseen {
 public:
  Unseen() : changed_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!changed_) return;
    termios unseen = before_;
    unseen.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
  ~Unseen() {
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }

 private:
  termios before_{};
  bool changed_;
};

std::string typed(Session& session, const std::string& question) {
  const Unseen unseen;
  session.streams().err << printable(question, LineFeeds::keep) << ' ' << std::flush;
  std::string line;
  std::getline(session.streams().in, line);
  session.streams().err << std::endl;
  return line;
}

}  // namespace

Result<std::string> secret_of(Session& session, std::string_view file, const std::string& question,
                              bool again) {
  if (const std::string path = session.value(file); !path.empty()) {
    auto text = read_whole(path, session.streams(), kSecretMost);
    if (!text) return std::move(text).error();
    if (text->ends_with('\n')) text->pop_back();
    return text;
  }
  if (!session.can_ask()) {
    return make_error(ErrorCode::invalid_argument,
                      "a pass phrase is needed and nobody can be asked",
                      "give it with --" + std::string(file) + " FILE, - for standard input");
  }
  std::string first = typed(session, question);
  if (again && typed(session, "The same again:") != first) {
    return make_error(ErrorCode::invalid_argument, "the two pass phrases differ");
  }
  return first;
}

}  // namespace entente::node
