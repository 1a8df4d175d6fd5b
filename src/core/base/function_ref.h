// A reference to something that can be called: what std::function is for callers that keep nothing.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace cadre {

template <typename Signature>
class FunctionRef;

// Two pointers, made without allocating whatever a lambda captures. It does not own what it refers
// to, so it is for parameters of functions that call it before they return.
template <typename Result, typename... Arguments>
class FunctionRef<Result(Arguments...)> {
 public:
  template <typename Callable>
  requires(!std::is_same_v<std::remove_cvref_t<Callable>, FunctionRef> &&
           std::is_invocable_r_v<Result, Callable&, Arguments...>)
      FunctionRef(Callable&& callable)  // NOLINT: lambdas are passed as they are
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, Arguments... arguments) -> Result {
          auto& target = *static_cast<std::remove_reference_t<Callable>*>(object);
          return static_cast<Result>(target(std::forward<Arguments>(arguments)...));
        }) {}

  Result operator()(Arguments... arguments) const {
    return call_(object_, std::forward<Arguments>(arguments)...);
  }

 private:
  void* object_;
  Result (*call_)(void* object, Arguments... arguments);
};

}  // namespace cadre
