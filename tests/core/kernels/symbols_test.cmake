# cmake -DNM=nm -DNAMESPACE=avx2 -DOBJECTS="a.o;b.o" -P symbols_test.cmake
#
# Fails if an object compiled for an instruction set defines a weak symbol outside of its own
# namespace: the linker keeps one copy of such a function, and might keep this one for everybody.
foreach(object ${OBJECTS})
  execute_process(COMMAND ${NM} -C ${object} OUTPUT_VARIABLE symbols RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${NM} cannot read ${object}")
  endif()
  string(REGEX MATCHALL "[^\n]+" lines "${symbols}")
  foreach(line IN LISTS lines)
    if(line MATCHES " [WVu] " AND NOT line MATCHES "kernels::${NAMESPACE}::" AND
       NOT line MATCHES "DW\\.ref\\.")
      message(SEND_ERROR "${object}: ${line}")
    endif()
  endforeach()
endforeach()
