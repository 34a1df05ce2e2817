// Boost.Beast, compiled once (BOOST_BEAST_SEPARATE_COMPILATION is set everywhere).
#include <boost/beast/src.hpp>
#include <utility>
