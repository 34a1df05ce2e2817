// Boost.Asio compiled once for these tests, as long as federation/link does not do it.
#include <utility>

#if !__has_include("federation/link/asio.cpp")
#include <boost/asio/impl/src.hpp>
#endif
