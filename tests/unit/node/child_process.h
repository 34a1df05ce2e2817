// Runs a test case of this executable again in a child process, to be killed at a crash point.
//
// A crash point reads its environment once per process, and a fork without exec would share locks
// with threads that do not exist in the child: so the child is a fresh run of the same case, which
// sees the folder in ENTENTE_TEST_CHILD and takes the child's part.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace entente::node::test {

// The folder given by the parent, when this process is such a child.
inline std::optional<std::string> child_folder() {
  const char* folder = std::getenv("ENTENTE_TEST_CHILD");
  return folder == nullptr ? std::nullopt : std::optional<std::string>(folder);
}

// The child's word to its parent: an acknowledgement that must have been durable when it was said.
inline void say(int number) {
  if (::write(3, &number, sizeof number) != sizeof number) ::_exit(2);
}

struct ChildEnd {
  std::vector<int> said;
  bool killed = false;  // by SIGKILL, as a crash point does
};

// Runs the calling test case again; `point` as in ENTENTE_CRASH_AT.
inline ChildEnd run_child(const std::string& folder, const std::string& point) {
  int ends[2];
  if (::pipe(ends) != 0) return {};
  // A comma would separate two filters; '?' stands for any character.
  std::string filter = "--test-case=";
  for (const char* c = doctest::getContextOptions()->currentTest->m_name; *c != '\0'; ++c) {
    filter += *c == ',' ? '?' : *c;
  }
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("ENTENTE_TEST_CHILD", folder.c_str(), 1);
    ::setenv("ENTENTE_CRASH_AT", point.c_str(), 1);
    if (::dup2(ends[1], 3) != 3) ::_exit(3);
    ::execl("/proc/self/exe", "node_tests", filter.c_str(), static_cast<char*>(nullptr));
    ::_exit(4);
  }
  ::close(ends[1]);
  ChildEnd end;
  int number = 0;
  while (::read(ends[0], &number, sizeof number) == sizeof number) end.said.push_back(number);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  end.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  return end;
}

}  // namespace entente::node::test
