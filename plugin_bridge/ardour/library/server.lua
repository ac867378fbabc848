-- The server's process: whether it runs, and how an action starts it without a terminal.

local library = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)

local server = {}

local base = wire.inbox .. wire.tag ()
local CLEAN = "env -u LD_LIBRARY_PATH -u LD_PRELOAD -u PYTHONHOME -u PYTHONPATH " -- Ardour's are its own

-- Whether the process that wrote server.json is there.
function server.is_alive ()
	local pid = wire.server ("pid")
	if not pid then return false end
	if wire.exists ("/proc/self/stat") then return wire.exists ("/proc/" .. pid .. "/stat") end
	return os.execute ("kill -0 " .. pid .. " 2>/dev/null") == true
end

-- Whether a request can be sent at once: the server runs, and was started for this session's folder
-- (or by hand, where the program is not known).
function server.is_ready ()
	if not wire.command then return true end
	return server.is_alive () and wire.read (base .. ".served") == tostring (wire.server ("pid"))
end

-- Start the server, or have a running one read this session's folder, in the background.
-- Return false if the program is not known.
function server.start ()
	if not wire.command then return false end
	os.remove (base .. ".started")
	os.execute (string.format (
		"(%s %s serve --ensure --workdir %s --allow %s; echo $? >%s; mv %s %s) >%s 2>&1 </dev/null &", CLEAN, wire.quoted (wire.command), wire.quoted (wire.workdir),
		wire.quoted (Session:path ()), wire.quoted (base .. ".starting"), wire.quoted (base .. ".starting"),
		wire.quoted (base .. ".started"), wire.quoted (base .. ".log")))
	return true
end

-- Whether what `start` began has come to an end. Raises what it said if that was an error.
function server.has_started ()
	local status = wire.read (base .. ".started")
	if not status then return false end
	os.remove (base .. ".started")
	if tonumber (status) ~= 0 then
		error ("bandmate's server could not be started:\n" .. (wire.read (base .. ".log") or ""), 0)
	end
	wire.write (base .. ".served", tostring (wire.server ("pid")))
	return true
end

-- How to start it by hand.
function server.by_hand ()
	return "Start it in a terminal:\n\nbandmate serve --allow \"" .. Session:path () .. "\""
end

return server
