// Boost.Asio and its SSL part, compiled once (BOOST_ASIO_SEPARATE_COMPILATION is set everywhere).
#include <utility>

#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
