makeRoom(index)
return forget(value({}))
