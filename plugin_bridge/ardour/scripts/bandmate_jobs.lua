ardour {
	["type"]    = "EditorAction",
	name        = "bandmate: Jobs",
	license     = "MIT",
	author      = "bandmate",
	description = [[Show what bandmate's server is doing for this session, and cancel it.]]
}

-- Ardour keeps only what is inside factory (), and drops an action after one uncaught error.
function factory () return function ()
	local library = ARDOUR.user_config_directory (-1) .. "/bandmate/"
	local ok, problem = pcall (function ()
		local wire = assert (loadfile (library .. "wire.lua")) (library)
		wire.guarded (assert (loadfile (library .. "jobs.lua")), library)
	end)
	if not ok then
		LuaDialog.Message ("bandmate", tostring (problem), LuaDialog.MessageType.Error, LuaDialog.ButtonType.OK):run ()
	end
end end
